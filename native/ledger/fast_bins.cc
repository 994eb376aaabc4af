#include "ledger/fast_bins.h"

#include <algorithm>
#include <cstring>

namespace tidemark {
namespace {

constexpr uint64_t kLeastChunk = 32;
constexpr uint64_t kAlign = 16;
constexpr uint64_t kSizeOffset = 8;
constexpr uint64_t kLinkOffset = 16;
constexpr uint64_t kFlags = 7;
constexpr uint64_t kMostOfData = uint64_t{1} << 20;  // libc has some 60 KiB of its own; mallocs merge behind them

}  // namespace

void FastBins::AddMainArena(uint64_t start, uint64_t end, uint64_t heap, uint64_t heap_end) noexcept {
  const uint64_t stop = std::min(end, start + kMostOfData);
  for (uint64_t at = start; at + sizeof(uint64_t) <= stop && copies_ < kMostCopies; at += sizeof(uint64_t)) {
    uint64_t top;
    uint64_t size;
    if (!ReadWord(at, top) || top < heap || top >= heap_end || top % kAlign != 0) continue;
    if (ReadWord(top + kSizeOffset, size) && top + (size & ~kFlags) == heap_end) return Add(at - kTop);
  }
}

void FastBins::Add(uint64_t arena) noexcept {
  // Since glibc 2.43 an arena has no fastbins, and its top where a flag was.
  uint64_t have_fast_chunks;
  if (!ReadWord(arena + kHaveFastChunks, have_fast_chunks) || have_fast_chunks > 1) return;
  for (size_t i = 0; i < kBinCount; i++) {
    uint64_t chunk;
    if (ReadWord(arena + kBins + i * sizeof chunk, chunk)) Follow(chunk, kLeastChunk + i * kAlign);
  }
}

void FastBins::Follow(uint64_t chunk, uint64_t size) noexcept {
  if (chunk == 0 || !IsOfSize(chunk, size)) return;
  while (chunk != 0 && chunks_.size() < kMostChunks) {
    uint64_t link;
    uint64_t* slot = chunks_.Append();
    if (slot == nullptr) return;
    *slot = chunk;
    if (!ReadWord(chunk + kLinkOffset, link)) return;
    // The link is hidden by where it lies, unless glibc is older than that.
    chunk = link ^ ((chunk + kLinkOffset) >> 12);
    if (chunk != 0 && !IsOfSize(chunk, size)) {
      if (link == 0 || !IsOfSize(link, size)) return;
      chunk = link;
    }
  }
}

bool FastBins::IsOfSize(uint64_t chunk, uint64_t size) noexcept {
  uint64_t word;
  return chunk % kAlign == 0 && ReadWord(chunk + kSizeOffset, word) && (word & ~kFlags) == size;
}

bool FastBins::ReadWord(uint64_t address, uint64_t& word) noexcept {
  const uint64_t line = address / kLine * kLine;
  const size_t slot = line / kLine % kLines;
  char* copy = static_cast<char*>(lines_.data()) + slot * kLine;
  if (lines_.data() == nullptr || address % sizeof word != 0 || line == 0) return false;
  if (held_[slot] != line) {
    if (++copies_ > kMostCopies) return false;
    held_[slot] = line;
    readable_[slot] = source_.IsResident(line) && source_.Read(line, copy, kLine) == kLine;
  }
  if (!readable_[slot]) return false;
  std::memcpy(&word, copy + (address - line), sizeof word);
  return true;
}

void FastBins::Seal() noexcept { std::sort(chunks_.begin(), chunks_.end()); }

const uint64_t* FastBins::From(uint64_t address) const noexcept {
  return std::lower_bound(chunks_.begin(), chunks_.end(), address);
}

}  // namespace tidemark
