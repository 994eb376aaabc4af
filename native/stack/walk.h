// Walks a stack that mixes native code and JavaScript, inside malloc.
//
// Node and all code that V8 makes keep frame pointers; most libraries do not, and use the register for something else.
// So each frame is left by the rule that fits its code: an unwind table where there is one (unwind_table.h), which also
// brings back the frame pointer that the caller had, and the frame pointer everywhere else. An interpreted frame gives
// the address of its bytecode in place of its return address (interpreter_frames.h).
// Nothing but the stack itself is read, between its pointer and its end, so no input leads to a fault; each frame must
// lie above the one before, so every walk ends. No lock, no allocation, no system call: 5 to 20 ns a frame.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tidemark {

constexpr size_t kMaxFrames = 128;

// Of the function that called: `pc` is the address that the call returns to, `sp` and `fp` what the stack pointer and
// rbp (x29) are once it has.
struct Registers {
  uint64_t pc;
  uint64_t sp;
  uint64_t fp;
};

enum class WalkEnd : uint8_t {
  kBottom,           // where the thread began
  kTruncated,        // `capacity` frames, and there are more
  kBadStackPointer,  // a caller's frame would not lie above, or not on this stack
  kBadFramePointer,  // the frame pointer was needed and points at no frame
  kUnsupportedRule,  // unwind data of a form that tables do not hold
  kNoBounds,         // no known stack: the first frame only
};

struct Walk {
  uint32_t frames;
  WalkEnd end;
  // A library's code without unwind data was left by frame pointer: it may keep none, and callers may be missing.
  bool guessed;
};

// Writes return addresses (of interpreted frames: addresses in bytecode), leaf first, and begins with `from.pc`; code
// that a signal interrupted is given by the address where it was. `stack_end` is StackEnd's; `capacity` > 0.
Walk WalkStack(const Registers& from, uint64_t stack_end, uint64_t* out, size_t capacity) noexcept;

}  // namespace tidemark
