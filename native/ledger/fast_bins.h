// Finds small chunks that are free although their headers do not say so: those in the fastbins of an arena.
//
// A fastbin is a list of freed chunks of one size, kept as they are for the next who asks for it. glibc melts them into
// other free memory when an arena is asked for something large, and before a trim; in the arena of a thread that has
// come to rest they stay (95 MiB of 96 were seen). Threads go on allocating while a list is followed, so each link is
// checked; and how far it is followed is bounded: chunks beyond that stay live. Only resident pages are read.
// Source: glibc malloc/malloc.c (malloc_state, from 2.27 to 2.42; fastbin_index; PROTECT_PTR, since 2.32).
#pragma once

#include <cstdint>

#include "base/mapped_array.h"
#include "proc/process_memory.h"

namespace tidemark {

class FastBins {
 public:
  explicit FastBins(PageSource& source) noexcept : source_(source) {}

  // False: it is not resident, or can no longer be read.
  bool ReadWord(uint64_t address, uint64_t& word) noexcept;
  // The top chunk of an arena, from which it grows.
  bool ReadTop(uint64_t arena, uint64_t& top) noexcept { return ReadWord(arena + kTop, top); }

  // The main arena lies among libc's own data, [start, end): found by its top chunk, which ends where the brk heap,
  // [heap, heap_end), does.
  void AddMainArena(uint64_t start, uint64_t end, uint64_t heap, uint64_t heap_end) noexcept;

  void Add(uint64_t arena) noexcept;

  // In order of address, once all arenas have been added.
  void Seal() noexcept;
  const uint64_t* From(uint64_t address) const noexcept;
  const uint64_t* end() const noexcept { return chunks_.end(); }

 private:
  static constexpr uint64_t kHaveFastChunks = 8;
  static constexpr uint64_t kBins = 16;
  static constexpr uint64_t kTop = 96;
  static constexpr size_t kBinCount = 10;
  static constexpr uint64_t kLine = 4096;  // is copied at a time
  static constexpr size_t kLines = 16;
  static constexpr size_t kMostChunks = size_t{1} << 20;
  static constexpr size_t kMostCopies = size_t{1} << 17;  // some 0.1 s

  // Whether a chunk of `size` is at `chunk`.
  bool IsOfSize(uint64_t chunk, uint64_t size) noexcept;
  void Follow(uint64_t chunk, uint64_t size) noexcept;

  PageSource& source_;
  MappedArray<uint64_t> chunks_;
  Scratch lines_{kLine * kLines};
  uint64_t held_[kLines] = {};
  bool readable_[kLines] = {};  // asked once a line: libc's data has pages that nobody has touched, of 512 words each
  size_t copies_ = 0;
};

}  // namespace tidemark
