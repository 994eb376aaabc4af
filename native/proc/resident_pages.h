// Which pages of one range of addresses are resident, one bit a page, and how many bytes of any part of it.
#pragma once

#include <cstdint>

#include "base/mapped_array.h"

namespace tidemark {

class ResidentPages {
 public:
  // For [start, end), whole pages of them, none resident yet. False: no memory.
  bool Reset(uint64_t start, uint64_t end) noexcept;

  // Pages from `from` to `to`, both in the range. To be sealed when all are marked.
  void Mark(uint64_t from, uint64_t to) noexcept;
  void Seal() noexcept;

  uint64_t start() const noexcept { return start_; }
  uint64_t end() const noexcept { return end_; }

  // False outside the range.
  bool Contains(uint64_t address) const noexcept {
    if (address < start_ || address >= end_) return false;
    const uint64_t page = (address - start_) / page_;
    return (bits_[page / 64] >> (page % 64) & 1) != 0;
  }

  // Resident bytes of [from, to), which lies in the range. Constant time.
  uint64_t Bytes(uint64_t from, uint64_t to) const noexcept;

  // The first resident page at or behind `address`, and the end of the resident pages that begin with the one that
  // holds `address`; both at most `limit`, which is at most end().
  uint64_t NextResident(uint64_t address, uint64_t limit) const noexcept;
  uint64_t EndOfRun(uint64_t address, uint64_t limit) const noexcept;

 private:
  uint64_t CountBefore(uint64_t page) const noexcept;
  uint64_t PagesBefore(uint64_t address) const noexcept { return (address - start_ + page_ - 1) / page_; }
  // The first page from `page` on, before `stop`, whose bit is `resident`; `stop` where there is none.
  uint64_t Find(uint64_t page, uint64_t stop, bool resident) const noexcept;

  uint64_t start_ = 0;
  uint64_t end_ = 0;
  uint64_t page_ = 4096;
  uint64_t pages_ = 0;
  MappedArray<uint64_t> bits_;
  MappedArray<uint32_t> before_;  // resident pages before each word of bits_
};

}  // namespace tidemark
