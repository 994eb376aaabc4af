#include "stack/walk.h"

#include <ucontext.h>

#include <cstddef>
#include <cstring>
#include <utility>

#include "stack/interpreter_frames.h"
#include "stack/unwind_table.h"

namespace tidemark {
namespace {

// Nothing is mapped below: a return address there is no more than a small number.
constexpr uint64_t kLowestPc = 4096;

// Where the kernel keeps the registers of code that a signal interrupted, from the stack pointer in __restore_rt on.
#if defined(__aarch64__)
constexpr uint64_t kSiginfoBytes = 128;
constexpr uint64_t kSavedRegisters = kSiginfoBytes + offsetof(ucontext_t, uc_mcontext.regs);
constexpr uint64_t kSavedFp = kSavedRegisters + 29 * 8;
constexpr uint64_t kSavedLr = kSavedRegisters + 30 * 8;
constexpr uint64_t kSavedSp = kSiginfoBytes + offsetof(ucontext_t, uc_mcontext.sp);
constexpr uint64_t kSavedPc = kSiginfoBytes + offsetof(ucontext_t, uc_mcontext.pc);
#else
constexpr uint64_t kSavedRegisters = offsetof(ucontext_t, uc_mcontext.gregs);
constexpr uint64_t kSavedFp = kSavedRegisters + REG_RBP * 8;
constexpr uint64_t kSavedSp = kSavedRegisters + REG_RSP * 8;
constexpr uint64_t kSavedPc = kSavedRegisters + REG_RIP * 8;
#endif

class Walker {
 public:
  Walker(const Registers& from, uint64_t stack_end) noexcept
      : pc_(from.pc), sp_(from.sp), fp_(from.fp), lowest_(from.sp), end_(stack_end) {}

  uint64_t pc() const noexcept { return pc_; }
  bool guessed() const noexcept { return guessed_; }

  // Goes on to the caller. False at the end of the walk, for the reason `how`. `shown`, the address of this frame,
  // becomes that of its bytecode if it is an interpreted one.
  bool Step(uint64_t& shown, WalkEnd& how) noexcept {
    const uint64_t at = exact_ ? pc_ : pc_ - 1;  // a call may be the last instruction of its function
    exact_ = false;
    if (object_ == nullptr || !object_->Contains(at)) object_ = tables_.Find(at);
    const UnwindRule rule = object_ == nullptr ? UnwindRule() : object_->RuleAt(at);
    switch (rule.kind()) {
      case RuleKind::kNone:
        return ByFramePointer(shown, how);
      case RuleKind::kFromSp:
      case RuleKind::kFromFp:
      case RuleKind::kFromFpSlot:
      case RuleKind::kPlt:
        return ByRule(rule, at, how);
      case RuleKind::kSignal:
        return BySignalFrame(how);
      case RuleKind::kEnd:
        how = WalkEnd::kBottom;
        return false;
      case RuleKind::kUnsupported:
        break;
    }
    how = WalkEnd::kUnsupportedRule;
    return false;
  }

 private:
  bool OnStack(uint64_t address, uint64_t bytes) const noexcept {
    return address % 8 == 0 && address >= sp_ && address < end_ && end_ - address >= bytes;
  }

  // Only for what is OnStack.
  static uint64_t Word(uint64_t address) noexcept {
    uint64_t word;
    std::memcpy(&word, reinterpret_cast<const void*>(address), sizeof word);
    return word;
  }

  static uint64_t Plus(uint64_t address, int64_t bytes) noexcept { return address + static_cast<uint64_t>(bytes); }

  // Where a thread began there is no address to return to; and no code lies on a stack.
  bool Return(uint64_t pc, WalkEnd otherwise, WalkEnd& how) noexcept {
#if defined(__aarch64__)
    pc &= (uint64_t{1} << 48) - 1;  // what is above signs it
#endif
    pc_ = pc;
    if (pc >= kLowestPc && (pc < lowest_ || pc >= end_)) return true;
    how = pc == 0 ? WalkEnd::kBottom : otherwise;
    return false;
  }

  bool ByFramePointer(uint64_t& shown, WalkEnd& how) noexcept {
    const bool known = object_ != nullptr;
    how = WalkEnd::kBadFramePointer;
    if (!OnStack(fp_, 16)) {
      // The executable's _start clears it, and only that has it cleared: a library's code may just have a 0 in it.
      const bool start = known && object_->no_rule == NoRule::kFollow && fp_ == 0;
      if (start || (known && object_->no_rule == NoRule::kBegin)) how = WalkEnd::kBottom;
      return false;
    }
    const bool node_or_jit = !known || object_->no_rule == NoRule::kFollow;
    if (!node_or_jit) guessed_ = true;
    if (node_or_jit && g_interpreter_frames.Contains(pc_)) ShowBytecode(shown);
    const uint64_t frame = fp_;
    fp_ = Word(frame);
    sp_ = frame + 16;
#if defined(__aarch64__)
    sp_known_ = false;  // the record of fp and lr may lie anywhere in its frame
#endif
    return Return(Word(frame + 8), WalkEnd::kBadFramePointer, how);
  }

  void ShowBytecode(uint64_t& shown) const noexcept {
    const uint64_t array_slot = Plus(fp_, g_interpreter_frames.bytecode_array_offset.load(std::memory_order_relaxed));
    const uint64_t offset_slot = Plus(fp_, g_interpreter_frames.bytecode_offset_offset.load(std::memory_order_relaxed));
    if (!OnStack(array_slot, 8) || !OnStack(offset_slot, 8)) return;
    const uint64_t array = Word(array_slot);
    const uint64_t offset = Word(offset_slot);
    const bool is_pointer = (array & 3) == 1;
    const bool is_small_integer = (offset & UINT32_MAX) == 0;
    if (is_pointer && is_small_integer) shown = array + (offset >> 32);
  }

#if defined(__aarch64__)
  bool ByRule(const UnwindRule& rule, uint64_t, WalkEnd& how) noexcept {
    const bool has_lr = std::exchange(has_lr_, false);
    if (rule.kind() == RuleKind::kFromSp && !sp_known_) {
      guessed_ = true;
      uint64_t not_shown;
      return ByFramePointer(not_shown, how);
    }
    const uint64_t cfa = Plus(rule.kind() == RuleKind::kFromSp ? sp_ : fp_, rule.cfa());
    how = WalkEnd::kBadStackPointer;
    if (cfa % 8 != 0 || cfa < sp_ || cfa > end_) return false;
    uint64_t pc = lr_;
    if (rule.slot() != 0) {
      const uint64_t slot = Plus(cfa, rule.slot());
      // Code that a signal interrupted may just have loaded both: what is below its stack pointer is in the registers.
      const bool loaded = has_lr && slot < sp_;
      if (!loaded) {
        if (cfa == sp_ || !OnStack(slot, 8) || (rule.saves_fp() && !OnStack(slot - 8, 8))) return false;
        pc = Word(slot);
        if (rule.saves_fp()) fp_ = Word(slot - 8);
      }
    } else if (!has_lr) {  // a function that calls has saved it
      how = WalkEnd::kUnsupportedRule;
      return false;
    }
    sp_ = cfa;
    sp_known_ = true;
    return Return(pc, WalkEnd::kBadStackPointer, how);
  }
#else
  bool ByRule(const UnwindRule& rule, uint64_t at, WalkEnd& how) noexcept {
    how = WalkEnd::kBadStackPointer;
    uint64_t cfa = 0;
    uint64_t fp = fp_;
    switch (rule.kind()) {
      case RuleKind::kFromSp:
        cfa = Plus(sp_, rule.cfa());
        break;
      case RuleKind::kFromFp:
        cfa = Plus(fp_, rule.cfa());
        break;
      case RuleKind::kPlt:
        cfa = sp_ + 8 + (static_cast<int64_t>(at % 16) * 8 >= rule.cfa() ? 8 : 0);
        break;
      default: {
        const uint64_t slot = Plus(fp_, rule.cfa());
        if (!OnStack(fp_, 8) || !OnStack(slot, 8)) return false;
        cfa = Word(slot);
        fp = Word(fp_);
        break;
      }
    }
    if (!OnStack(cfa - 8, 8)) return false;
    if (rule.saves_fp()) {
      const uint64_t slot = Plus(cfa, rule.slot());
      // Code that a signal interrupted may just have popped it: what is below its stack pointer is in the register.
      const bool popped = at == pc_ && slot < sp_;
      if (!popped && !OnStack(slot, 8)) return false;
      if (!popped) fp = Word(slot);
    }
    fp_ = fp;
    sp_ = cfa;
    return Return(Word(cfa - 8), WalkEnd::kBadStackPointer, how);
  }
#endif

  bool BySignalFrame(WalkEnd& how) noexcept {
    how = WalkEnd::kBadStackPointer;
    if (!OnStack(sp_ + kSavedFp, 8) || !OnStack(sp_ + kSavedSp, 8) || !OnStack(sp_ + kSavedPc, 8)) return false;
    const uint64_t frame = sp_;
    const uint64_t sp = Word(frame + kSavedSp);
    if (sp <= frame || sp >= end_) return false;  // a handler on a stack of its own
    fp_ = Word(frame + kSavedFp);
#if defined(__aarch64__)
    if (!OnStack(frame + kSavedLr, 8)) return false;
    lr_ = Word(frame + kSavedLr) & ((uint64_t{1} << 48) - 1);
    has_lr_ = true;
    sp_known_ = true;
#endif
    sp_ = sp;
    exact_ = true;
    return Return(Word(frame + kSavedPc), WalkEnd::kBadStackPointer, how);
  }

  UnwindTables tables_;
  const UnwindObject* object_ = nullptr;  // that holds this frame's code, or the one before's
  uint64_t pc_;
  uint64_t sp_;  // what lies below is not read any more
  uint64_t fp_;
  const uint64_t lowest_;
  const uint64_t end_;
#if defined(__aarch64__)
  uint64_t lr_ = 0;
  bool has_lr_ = false;  // of code that a signal interrupted, perhaps before it saved it
  bool sp_known_ = true;
#endif
  bool exact_ = false;  // pc_ is where the frame is, not where a call in it returns to
  bool guessed_ = false;
};

}  // namespace

Walk WalkStack(const Registers& from, uint64_t stack_end, uint64_t* out, size_t capacity) noexcept {
  out[0] = from.pc;
  Walk walk = {1, WalkEnd::kNoBounds, false};
  if (stack_end == 0) return walk;
  Walker walker(from, stack_end);
  while (walker.Step(out[walk.frames - 1], walk.end)) {
    if (walk.frames == capacity) {
      walk.end = WalkEnd::kTruncated;
      break;
    }
    out[walk.frames++] = walker.pc();
  }
  walk.guessed = walker.guessed();
  return walk;
}

}  // namespace tidemark
