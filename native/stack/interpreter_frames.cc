#include "stack/interpreter_frames.h"

#include "base/spin_lock.h"

namespace tidemark {
namespace {

SpinLock g_adding;

}  // namespace

InterpreterFrames g_interpreter_frames;

void InterpreterFrames::Add(uint64_t start, uint64_t end) noexcept {
  if (start == 0 || start >= end || (Contains(start) && Contains(end - 1))) return;
  const uint64_t first = start / kGranuleBytes;
  const uint64_t granules = (end - 1) / kGranuleBytes - first + 1;
  if (ranges_ == kMaxRanges || granules > kMaxUsed - used_) {
    dropped_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  for (uint64_t granule = first; granule < first + granules; granule++) {
    uint32_t i = Hash(granule);
    while (slots_[i].start.load(std::memory_order_relaxed) != 0) i = (i + 1) % kSlots;
    slots_[i].end.store(end, std::memory_order_relaxed);
    slots_[i].start.store(start, std::memory_order_release);
  }
  used_ += static_cast<uint32_t>(granules);
  ranges_++;
}

void AddInterpreterRange(uint64_t start, uint64_t end) noexcept {
  g_adding.Lock();
  g_interpreter_frames.Add(start, end);
  g_adding.Unlock();
}

}  // namespace tidemark
