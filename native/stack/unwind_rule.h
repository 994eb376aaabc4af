// How to leave a frame, in 4 bytes.
//
// Unwind data can say anything about any register; compilers and linkers say a handful of things, and a walk needs no
// more than the caller's pc, stack pointer and frame pointer. What does not fit becomes kUnsupported, never a guess.
// Numbers are words of 8 bytes; the CFA is the value of the stack pointer before the call.
#pragma once

#include <cstdint>

namespace tidemark {

enum class RuleKind : uint8_t {
  kNone,        // no unwind data
  kFromSp,      // CFA = sp + cfa
  kFromFp,      // CFA = fp + cfa
  kFromFpSlot,  // CFA = [fp + cfa], fp = [fp]: a function that realigned its stack
  kPlt,         // CFA = sp + 1, or sp + 2 from byte `cfa` of a PLT entry on, where it has pushed its number
  kSignal,      // a signal handler returns here: registers are in the frame that the kernel made
  kEnd,         // the thread began here
  kUnsupported,
};

// x86-64: kind 3 bits, slot 13 (the saved rbp is at [CFA + slot]; 0: rbp is as it was), cfa 16. The return address is
// at [CFA - 1].
// aarch64: kind 3 bits, 1 bit whether x29 was saved one word below x30, slot 12 (x30 is at [CFA + slot]; 0: it is in
// its register), cfa 16.
class UnwindRule {
 public:
  constexpr UnwindRule() noexcept = default;
  constexpr explicit UnwindRule(RuleKind kind) noexcept : bits_(static_cast<uint32_t>(kind)) {}

#if defined(__aarch64__)
  static constexpr int64_t kMaxSlot = (1 << 11) - 1;
#else
  static constexpr int64_t kMaxSlot = (1 << 12) - 1;
#endif
  static constexpr int64_t kMaxCfa = (1 << 15) - 1;

  // kUnsupported when a number does not fit.
  static constexpr UnwindRule Make(RuleKind kind, int64_t cfa, int64_t slot, bool fp_saved) noexcept {
    if (cfa > kMaxCfa || cfa < -kMaxCfa || slot > kMaxSlot || slot < -kMaxSlot) {
      return UnwindRule(RuleKind::kUnsupported);
    }
    UnwindRule rule(kind);
    rule.bits_ |= static_cast<uint32_t>(cfa) << 16;
#if defined(__aarch64__)
    rule.bits_ |= (static_cast<uint32_t>(slot) & 0xfff) << 4 | (fp_saved ? 8U : 0U);
#else
    if (fp_saved) rule.bits_ |= (static_cast<uint32_t>(slot) & 0x1fff) << 3;
#endif
    return rule;
  }

  constexpr RuleKind kind() const noexcept { return static_cast<RuleKind>(bits_ & 7); }
  // The CFA's distance, in bytes.
  constexpr int64_t cfa() const noexcept { return int64_t{static_cast<int32_t>(bits_) >> 16} * 8; }
  // The slot's distance from the CFA, in bytes.
#if defined(__aarch64__)
  constexpr int64_t slot() const noexcept { return int64_t{static_cast<int32_t>(bits_ << 16) >> 20} * 8; }
  constexpr bool saves_fp() const noexcept { return (bits_ & 8) != 0; }
#else
  constexpr int64_t slot() const noexcept { return int64_t{static_cast<int32_t>(bits_ << 16) >> 19} * 8; }
  constexpr bool saves_fp() const noexcept { return slot() != 0; }
#endif
  constexpr bool operator==(const UnwindRule&) const noexcept = default;

 private:
  uint32_t bits_ = 0;
};

struct UnwindRow {
  uint32_t offset;  // of the first byte of code that the rule holds for, from the beginning of the object's code
  UnwindRule rule;
};
static_assert(sizeof(UnwindRow) == 8);

// Code that follows the frame pointer can be left by it: the share of such code tells how an object was built.
constexpr bool KeepsFramePointer(UnwindRule rule) noexcept {
#if defined(__aarch64__)
  return rule.saves_fp();  // gcc counts from sp even where x29 points at the frame
#else
  return rule.kind() == RuleKind::kFromFp || rule.kind() == RuleKind::kFromFpSlot;
#endif
}

}  // namespace tidemark
