// Reads single words of a range in order of address, as a walk from chunk to chunk does.
//
// Words come out of a block that is copied at a time: a system call for each would cost more than the walk. Only
// resident pages are copied, so the process's RSS does not move. Where words lie further apart than copying what is
// between them pays for, a page at a time is copied.
#pragma once

#include <algorithm>
#include <cstring>

#include "base/scratch.h"
#include "proc/process_memory.h"
#include "proc/resident_pages.h"

namespace tidemark {

class WordReader {
 public:
  WordReader(PageSource& source, const ResidentPages& pages) noexcept
      : source_(source), pages_(pages), block_(BlockFor(pages.end() - pages.start())) {}

  // False: the page that holds the word is not resident, or can no longer be read. `address` is a multiple of 8.
  bool Read(uint64_t address, uint64_t& word) noexcept {
    if (address - base_ >= held_ && !Fetch(address)) return false;
    std::memcpy(&word, static_cast<const char*>(block_.data()) + (address - base_), sizeof word);
    reads_++;
    return true;
  }

  // What was copied is of a moment that has passed: a walk that lost its way reads anew.
  void Forget() noexcept { held_ = 0; }

  // Counts the blocks that were copied.
  uint64_t fetches() const noexcept { return fetches_; }

  // What all of it has cost, as if words had been read only: some 5 ns each.
  uint64_t cost() const noexcept { return cost_ + reads_; }

 private:
  // The kernel copies a third faster a MiB at a time than in kept blocks of 64 KiB; mapping that much must be worth it.
  static size_t BlockFor(uint64_t range) noexcept {
    return std::clamp<uint64_t>(range / 64, Scratch::kBlockBytes, size_t{1} << 20);
  }

  bool Fetch(uint64_t address) noexcept;

  PageSource& source_;
  const ResidentPages& pages_;
  Scratch block_;
  uint64_t base_ = 0;
  uint64_t held_ = 0;   // bytes of the block
  uint64_t reads_ = 0;  // since the last fetch
  uint64_t apart_ = 0;  // how far words lay apart of late
  uint64_t fetches_ = 0;
  uint64_t cost_ = 0;  // up to the last fetch, and of it
};

}  // namespace tidemark
