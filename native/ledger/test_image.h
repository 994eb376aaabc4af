// The memory of a process as a test or a fuzzer lays it out.
#pragma once

#include <algorithm>
#include <cstring>
#include <vector>

#include "proc/process_memory.h"
#include "proc/resident_pages.h"

namespace tidemark {

constexpr uint64_t kImagePage = 4096;

// Pages of a process as they were at one moment: a range, all of it resident but for what is taken out.
class Image final : public PageSource {
 public:
  Image(uint64_t start, uint64_t size) : start_(start), bytes_(size), resident_(size / kImagePage, true) {}

  void Word(uint64_t address, uint64_t value) { std::memcpy(&bytes_[address - start_], &value, sizeof value); }
  // A chunk of `size` at `address`; what is in use says the next one's header. Returns where the next begins.
  uint64_t Chunk(uint64_t address, uint64_t size, bool previous_in_use = true, uint64_t flags = 0) {
    Word(address + 8, size | flags | (previous_in_use ? 1 : 0));
    return address + size;
  }
  // The same of a free one: it repeats its size at its end.
  uint64_t Free(uint64_t address, uint64_t size) {
    Word(address + size, size);
    return Chunk(address, size);
  }
  void TakeOut(uint64_t from, uint64_t to) {
    for (uint64_t at = from; at < to; at += kImagePage) resident_[(at - start_) / kImagePage] = false;
  }
  uint64_t start() const { return start_; }
  uint64_t end() const { return start_ + bytes_.size(); }

  void MarkIn(ResidentPages& pages) const {
    if (!pages.Reset(start_, end())) return;
    for (size_t i = 0; i < resident_.size(); i++) {
      if (resident_[i]) pages.Mark(start_ + i * kImagePage, start_ + (i + 1) * kImagePage);
    }
    pages.Seal();
  }

  size_t Read(uint64_t address, void* to, size_t size) noexcept override {
    reads++;
    return Copy(address, to, size);
  }
  size_t ReadEach(const uint64_t* addresses, size_t count, size_t size, void* to) noexcept override {
    reads++;
    for (size_t i = 0; i < count; i++) Copy(addresses[i], static_cast<char*>(to) + i * size, size);
    return count;
  }
  bool IsResident(uint64_t address) noexcept override {
    asked++;
    return address >= start_ && address < end() && resident_[(address - start_) / kImagePage];
  }

  bool touched_absent = false;  // a read of a page that is not there would make the process larger
  // System calls in the real process.
  int reads = 0;
  int asked = 0;  // whether a page is there

 private:
  size_t Copy(uint64_t address, void* to, size_t size) noexcept {
    const uint64_t stop = std::min(address + size, end());
    for (uint64_t at = address; at < stop; at = at / kImagePage * kImagePage + kImagePage) {
      if (!resident_[(at - start_) / kImagePage]) touched_absent = true;
    }
    std::memcpy(to, &bytes_[address - start_], stop - address);
    return stop - address;
  }

  uint64_t start_;
  std::vector<char> bytes_;
  std::vector<bool> resident_;
};

}  // namespace tidemark
