// Where a frame of V8's interpreter says which bytecode it runs.
//
// Every interpreted function returns into the same few pieces of machine code, so the return address names none of
// them; two slots of the frame do: the bytecode array, a tagged pointer, and the offset in it, a small integer in the
// upper half of its word. Array plus offset is an address in the bytecode, which V8's code events name. Which pieces of
// code those are, and where the slots lie, is learnt outside hooks and read in them. From Node 22 on each isolate has a
// copy of them, four to six pieces of at most 900 bytes: a list of them would be long where there are many workers, and
// every JavaScript frame of every stack would pass through it, so they are hashed by address. Nothing is removed: the
// isolates of later workers mostly come to lie where those of earlier ones were.
// Source: v8dbg_off_fp_bytecode_array and v8dbg_off_fp_bytecode_offset, exported by Node from 20 to 26.
#pragma once

#include <atomic>
#include <cstdint>

namespace tidemark {

class InterpreterFrames {
 public:
  // Some 40 isolates of six.
  static constexpr uint32_t kMaxRanges = 256;

  // In a hook. Whether `pc` is in a range; its first byte is: V8 sends a frame that it deoptimizes back to the very
  // start of such code.
  bool Contains(uint64_t pc) const noexcept {
    const uint64_t granule = pc / kGranuleBytes;
    for (uint32_t i = Hash(granule);; i = (i + 1) % kSlots) {
      const uint64_t start = slots_[i].start.load(std::memory_order_acquire);
      if (start == 0) return false;
      if (pc >= start && pc < slots_[i].end.load(std::memory_order_relaxed)) return true;
    }
  }

  // See AddInterpreterRange.
  void Add(uint64_t start, uint64_t end) noexcept;

  // Ranges that did not fit: frames that return there keep their machine address.
  uint32_t dropped() const noexcept { return dropped_.load(std::memory_order_relaxed); }

  // In bytes from the frame pointer.
  std::atomic<int32_t> bytecode_array_offset{-32};
  std::atomic<int32_t> bytecode_offset_offset{-40};

 private:
  // A range is entered once for each granule that it touches. A quarter of the slots stays empty: a search ends there.
  static constexpr uint64_t kGranuleBytes = 1024;
  static constexpr uint32_t kSlots = 1024;
  static constexpr uint32_t kMaxUsed = kSlots / 4 * 3;

  struct Slot {
    std::atomic<uint64_t> start{0};  // 0: empty
    std::atomic<uint64_t> end{0};
  };

  static uint32_t Hash(uint64_t granule) noexcept {
    return static_cast<uint32_t>((granule * 0x9e3779b97f4a7c15) >> 54);  // the upper 10 bits
  }

  Slot slots_[kSlots];
  uint32_t used_ = 0;
  uint32_t ranges_ = 0;
  std::atomic<uint32_t> dropped_{0};
};

extern InterpreterFrames g_interpreter_frames;

// Machine code of the interpreter's entries is at [start, end). Once is enough; from any thread, not in a hook.
void AddInterpreterRange(uint64_t start, uint64_t end) noexcept;

}  // namespace tidemark
