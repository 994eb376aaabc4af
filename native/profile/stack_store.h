// The stacks of a session under names that last: a module and an offset, or a function of the code map, in place of
// addresses that mean something else tomorrow. Frames, stacks and traces are kept once each, in memory of our own,
// up to a limit; what comes after it is added to one trace without a stack, and counted.
//
// Not for hooks, and not locked: the collector's mutex covers it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/mapped_array.h"
#include "sampling/trace_table.h"

namespace tidemark {

enum class FrameKind : uint32_t { kUnknown, kJs, kNative };

struct StoredFrame {
  FrameKind kind;
  uint32_t source;   // kJs: the function, a name in the code map; kNative: the object, in LoadedModules
  uint32_t inlined;  // kJs: the callee that was inlined into it here, a name in the code map; kNoName: none
  int32_t position;  // kJs: of the call, characters from the start of its script; -1: unknown
  uint64_t offset;   // kNative: link-time address of the call
};
static_assert(sizeof(StoredFrame) == 24, "compared and hashed as bytes: no padding");

constexpr uint32_t kNoName = UINT32_MAX;

struct StoredTrace {
  uint32_t first;  // of its frames in Stacks()
  uint16_t frames;
  uint16_t flags;
  uint32_t region;
  uint32_t thread;
  TraceSums allocated;
};

class StackStore {
 public:
  static constexpr uint32_t kMaxStoredFrames = 1u << 18;
  static constexpr uint32_t kMaxStackWords = 1u << 22;
  static constexpr uint32_t kMaxTraces = 1u << 16;
  // The trace that stands for all that had no room.
  static constexpr uint32_t kOverflow = 0;

  // The number of a frame; kNoName when there is no room.
  uint32_t InternFrame(const StoredFrame& frame) noexcept {
    return Intern(frames_, frame_slots_, kMaxStoredFrames, HashBytes(&frame, sizeof frame), frame,
                  [&frame](const StoredFrame& other) { return std::memcmp(&frame, &other, sizeof frame) == 0; });
  }

  // The number of a trace of `count` frames, leaf first; kOverflow when there is no room.
  uint32_t InternTrace(const uint32_t* frames, uint16_t count, uint16_t flags, uint32_t region,
                       uint32_t thread) noexcept {
    if (!HasOverflow()) return kOverflow;
    uint64_t hash = HashBytes(frames, count * sizeof(uint32_t));
    hash = Mix(hash ^ (uint64_t{region} << 32 | thread)) ^ flags;
    const StoredTrace wanted = {static_cast<uint32_t>(stacks_.size()), count, flags, region, thread, {}};
    const size_t before = traces_.size();
    // Room for the frames first: a trace whose frames are missing would show another one's.
    if (stacks_.size() + count > kMaxStackWords) return kOverflow;
    const uint32_t number = Intern(traces_, trace_slots_, kMaxTraces, Mix(hash), wanted, [&](const StoredTrace& other) {
      return other.frames == count && other.flags == flags && other.region == region && other.thread == thread &&
             (count == 0 || std::memcmp(stacks_.data() + other.first, frames, count * sizeof(uint32_t)) == 0);
    });
    if (number == kNoName) return kOverflow;
    if (traces_.size() == before) return number;
    uint32_t* to = stacks_.Append(count);
    if (to == nullptr) {
      traces_[number].frames = 0;
      return number;
    }
    if (count > 0) std::memcpy(to, frames, count * sizeof(uint32_t));
    return number;
  }

  void Add(uint32_t trace, const TraceSums& sums) noexcept {
    if (!HasOverflow() || trace >= traces_.size()) return;
    TraceSums& total = traces_[trace].allocated;
    total.count += sums.count;
    total.bytes += sums.bytes;
    total.count_variance += sums.count_variance;
    total.bytes_variance += sums.bytes_variance;
    total.samples += sums.samples;
  }

  // Three quarters of one of the limits.
  bool NearlyFull() const noexcept {
    return frames_.size() / 3 > kMaxStoredFrames / 4 || stacks_.size() / 3 > kMaxStackWords / 4 ||
           traces_.size() / 3 > kMaxTraces / 4;
  }

  const KeptArray<StoredFrame>& Frames() const noexcept { return frames_; }
  const KeptArray<uint32_t>& Stacks() const noexcept { return stacks_; }
  const KeptArray<StoredTrace>& Traces() const noexcept { return traces_; }

  void Clear() noexcept { *this = StackStore(); }

 private:
  bool HasOverflow() noexcept {
    if (traces_.size() > 0) return true;
    StoredTrace* overflow = traces_.Append();
    if (overflow == nullptr) return false;
    *overflow = {};
    return true;
  }

  static uint64_t Mix(uint64_t x) noexcept {
    x = (x ^ (x >> 32)) * 0xd6e8feb86659fd93;
    return x ^ (x >> 32);
  }
  static uint64_t HashBytes(const void* data, size_t bytes) noexcept {
    uint64_t hash = bytes;
    const char* at = static_cast<const char*>(data);
    for (; bytes >= 4; bytes -= 4, at += 4) {
      uint32_t word;
      std::memcpy(&word, at, 4);
      hash = Mix(hash * 0x9e3779b97f4a7c15 + word);
    }
    return hash;
  }

  // The number of `row` in `rows`, added when `same` finds none; slots hold number + 1 and their count is a power of 2.
  template <class Row, class Same>
  static uint32_t Intern(KeptArray<Row>& rows, KeptArray<uint32_t>& slots, uint32_t limit, uint64_t hash,
                         const Row& row, Same same) noexcept {
    if ((rows.size() + 1) * 2 > slots.size() && !GrowSlots(slots, limit)) return kNoName;
    const size_t mask = slots.size() - 1;
    size_t i = hash & mask;
    for (; slots[i] != 0; i = (i + 1) & mask) {
      if (same(rows[slots[i] - 1])) return slots[i] - 1;
    }
    if (rows.size() >= limit) return kNoName;
    Row* added = rows.Append();
    if (added == nullptr) return kNoName;
    *added = row;
    slots[i] = static_cast<uint32_t>(rows.size());
    return slots[i] - 1;
  }

  // The whole table at once: untouched pages cost nothing, and nothing is ever rehashed.
  static bool GrowSlots(KeptArray<uint32_t>& slots, uint32_t limit) noexcept {
    if (slots.size() != 0) return true;
    uint32_t* fresh = slots.Append(size_t{limit} * 2);
    return fresh != nullptr;
  }

  KeptArray<StoredFrame> frames_;
  KeptArray<uint32_t> frame_slots_;
  KeptArray<uint32_t> stacks_;
  KeptArray<StoredTrace> traces_;
  KeptArray<uint32_t> trace_slots_;
};

}  // namespace tidemark
