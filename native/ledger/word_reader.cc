#include "ledger/word_reader.h"

#include <algorithm>

namespace tidemark {

bool WordReader::Fetch(uint64_t address) noexcept {
  // Copying costs about 0.12 ns a byte, a page by itself 1.6 us.
  constexpr uint64_t kWorthCopying = 14'000;
  constexpr uint64_t kMany = 8;
  constexpr uint64_t kCall = 256;          // words that are read while the kernel is called
  constexpr uint64_t kBytesForAWord = 32;  // that are copied while one is read
  if (!pages_.Contains(address) || block_.data() == nullptr) return false;
  const uint64_t page = PageSize();
  // Back is where a chain is looked for: one page at a time as well.
  const bool back = address < base_;
  if (address > base_ && base_ != 0) {
    // Sizes of chunks vary: one that is small, after many that are not, is no reason to copy a whole block.
    const uint64_t apart = (address - base_) / std::max<uint64_t>(1, reads_);
    apart_ = reads_ >= kMany ? apart : (apart_ * (kMany - 1) + apart) / kMany;
  }
  const uint64_t want = back || apart_ > kWorthCopying ? page : block_.size() / page * page;
  base_ = address / page * page;
  held_ = source_.Read(base_, block_.data(), pages_.EndOfRun(base_, std::min(base_ + want, pages_.end())) - base_) &
          ~uint64_t{7};
  cost_ += reads_ + kCall + held_ / kBytesForAWord;
  reads_ = 0;
  fetches_++;
  return address - base_ < held_;
}

}  // namespace tidemark
