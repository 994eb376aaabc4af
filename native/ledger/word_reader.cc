#include "ledger/word_reader.h"

#include <algorithm>

namespace tidemark {

bool WordReader::Fetch(uint64_t address) noexcept {
  // Copying costs about 0.15 ns a byte, a call about 1 us.
  constexpr uint64_t kWorthCopying = 6144;
  if (!pages_.Contains(address) || block_.data() == nullptr) {
    held_ = 0;
    return false;
  }
  const uint64_t page = PageSize();
  // Back is where a chain is looked for: one page at a time as well.
  const bool far = base_ != 0 && (address < base_ || (address - base_) / std::max<uint64_t>(1, reads_) > kWorthCopying);
  const uint64_t want = far ? page : block_.size() / page * page;
  base_ = address / page * page;
  held_ = source_.Read(base_, block_.data(), pages_.EndOfRun(base_, std::min(base_ + want, pages_.end())) - base_) &
          ~uint64_t{7};
  reads_ = 0;
  fetches_++;
  return address - base_ < held_;
}

}  // namespace tidemark
