#include "proc/resident_pages.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace tidemark {

bool ResidentPages::Reset(uint64_t start, uint64_t end) noexcept {
  page_ = PageSize();
  start_ = start;
  end_ = end;
  pages_ = (end - start) / page_;
  const size_t words = pages_ / 64 + 1;  // one more than pages fill, so that the count before the end is there too
  bits_.Shrink(bits_.size());
  before_.Shrink(before_.size());
  uint64_t* bits = bits_.Append(words);
  if (bits == nullptr || before_.Append(words) == nullptr) return false;
  std::memset(bits, 0, words * sizeof(uint64_t));
  return true;
}

void ResidentPages::Mark(uint64_t from, uint64_t to) noexcept {
  uint64_t page = (from - start_) / page_;
  const uint64_t end = (to - start_) / page_;
  while (page < end) {
    const uint64_t count = std::min(64 - page % 64, end - page);
    const uint64_t ones = count == 64 ? ~uint64_t{0} : (uint64_t{1} << count) - 1;
    bits_[page / 64] |= ones << (page % 64);
    page += count;
  }
}

void ResidentPages::Seal() noexcept {
  uint32_t count = 0;
  for (size_t i = 0; i < bits_.size(); i++) {
    before_[i] = count;
    count += static_cast<uint32_t>(std::popcount(bits_[i]));
  }
}

uint64_t ResidentPages::CountBefore(uint64_t page) const noexcept {
  const uint64_t below = (uint64_t{1} << (page % 64)) - 1;
  return before_[page / 64] + static_cast<uint64_t>(std::popcount(bits_[page / 64] & below));
}

uint64_t ResidentPages::Bytes(uint64_t from, uint64_t to) const noexcept {
  if (from >= to) return 0;
  const uint64_t first = (from - start_) / page_;
  const uint64_t last = (to - 1 - start_) / page_;
  if (first == last) return Contains(from) ? to - from : 0;
  uint64_t bytes = (CountBefore(last) - CountBefore(first + 1)) * page_;
  if (Contains(from)) bytes += page_ - (from - start_) % page_;
  if (Contains(to - 1)) bytes += (to - 1 - start_) % page_ + 1;
  return bytes;
}

uint64_t ResidentPages::Find(uint64_t page, uint64_t stop, bool resident) const noexcept {
  uint64_t skipped = (uint64_t{1} << (page % 64)) - 1;
  for (uint64_t word = page / 64; word * 64 < stop; word++) {
    const uint64_t wanted = (resident ? bits_[word] : ~bits_[word]) & ~skipped;
    if (wanted != 0) return std::min(stop, word * 64 + static_cast<uint64_t>(std::countr_zero(wanted)));
    skipped = 0;
  }
  return stop;
}

uint64_t ResidentPages::NextResident(uint64_t address, uint64_t limit) const noexcept {
  if (Contains(address)) return std::min(address, limit);
  return std::min(limit, start_ + Find((address - start_) / page_, PagesBefore(limit), true) * page_);
}

uint64_t ResidentPages::EndOfRun(uint64_t address, uint64_t limit) const noexcept {
  return std::min(limit, start_ + Find((address - start_) / page_, PagesBefore(limit), false) * page_);
}

}  // namespace tidemark
