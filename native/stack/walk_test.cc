// Walks against _Unwind_Backtrace, which interprets .eh_frame itself: on native code the two must agree to the last
// frame. The cases are what compilers make of functions: with and without a frame pointer, with the register used for
// something else, frames of variable size, realigned stacks, callbacks through libraries, signal handlers.

#include "stack/walk.h"

#include <alloca.h>
#include <gtest/gtest.h>
#include <ucontext.h>
#include <unwind.h>

#include <algorithm>
#include <csetjmp>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "stack/interpreter_frames.h"
#include "stack/stack_bounds.h"
#include "stack/unwind_table.h"

#if defined(__clang__)
#define WITHOUT_FRAME_POINTER __attribute__((noinline))
#define WITH_FRAME_POINTER __attribute__((noinline))
#else
#define WITHOUT_FRAME_POINTER __attribute__((noinline, optimize("omit-frame-pointer")))
#define WITH_FRAME_POINTER __attribute__((noinline, optimize("no-omit-frame-pointer")))
#endif
#if defined(__aarch64__)
#define JUNK_IN_FRAME_POINTER(value) asm volatile("mov x29, %0" : : "r"(static_cast<uint64_t>(value)) : "x29")
#elif defined(__clang__)
#define JUNK_IN_FRAME_POINTER(value) static_cast<void>(value)
#else
#define JUNK_IN_FRAME_POINTER(value) asm volatile("mov %0, %%rbp" : : "r"(static_cast<uint64_t>(value)) : "rbp")
#endif
#if defined(__SANITIZE_THREAD__)
#define THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define THREAD_SANITIZER 1
#endif
#endif
// Keeps a call from becoming a jump.
#define STAY() asm volatile("")

namespace tidemark {
namespace {

// Tables of everything, the test program included, whatever it was built with.
void MakeTables() {
  ObjectList list;
  ASSERT_TRUE(ListObjects(list));
  for (LoadedObject& object : list.objects) {
    if (object.kind == kExecutable) object.kind = kLibrary;
  }
  ASSERT_TRUE(RefreshUnwindTables(list));
}

struct Backtrace {
  uint64_t pcs[kMaxFrames + 8];
  size_t count = 0;
};

_Unwind_Reason_Code AddFrame(_Unwind_Context* context, void* data) {
  auto& trace = *static_cast<Backtrace*>(data);
  const uint64_t pc = _Unwind_GetIP(context);
  if (pc == 0 || trace.count == std::size(trace.pcs)) return _URC_END_OF_STACK;
  trace.pcs[trace.count++] = pc;
  return _URC_NO_REASON;
}

// Both walks from one place. No memory is asked for, as a signal may have interrupted malloc.
struct Comparison {
  uint64_t pcs[kMaxFrames];
  Walk walk;
  Backtrace expected;

  bool Agrees() const {
    return walk.end == WalkEnd::kBottom && !walk.guessed && walk.frames + 1 == expected.count &&
           memcmp(pcs, expected.pcs + 1, walk.frames * sizeof pcs[0]) == 0;
  }
  void Expect() const {
    EXPECT_EQ(static_cast<int>(walk.end), static_cast<int>(WalkEnd::kBottom));
    EXPECT_FALSE(walk.guessed);
    ASSERT_GE(expected.count, 2U);
    EXPECT_EQ(std::vector<uint64_t>(pcs, pcs + walk.frames),
              std::vector<uint64_t>(expected.pcs + 1, expected.pcs + expected.count));
  }
};

// From its caller on.
__attribute__((noinline)) void Compare(Comparison& out) {
  const auto frame = reinterpret_cast<uint64_t>(__builtin_frame_address(0));
  const Registers caller = {reinterpret_cast<uint64_t>(__builtin_return_address(0)),
                            reinterpret_cast<uint64_t>(__builtin_dwarf_cfa()),
                            *reinterpret_cast<const uint64_t*>(frame)};
  StackBounds bounds = {};
  out.walk = WalkStack(caller, StackEnd(caller.sp, bounds), out.pcs, kMaxFrames);
  out.expected.count = 0;
  _Unwind_Backtrace(AddFrame, &out.expected);
}

thread_local int t_compared;

using Callback = std::function<void()>;

// What is at `memory` must be there, as far as the compiler knows.
void Use(void* memory) { asm volatile("" : : "r"(memory) : "memory"); }

WITH_FRAME_POINTER void WithFramePointer(const Callback& then) {
  then();
  STAY();
}

WITHOUT_FRAME_POINTER void WithoutFramePointer(const Callback& then) {
  then();
  STAY();
}

WITHOUT_FRAME_POINTER void WithJunk(const Callback& then, uint64_t junk) {
  JUNK_IN_FRAME_POINTER(junk);
  then();
  STAY();
}

WITHOUT_FRAME_POINTER void WithAVariableFrame(const Callback& then, size_t bytes) {
  void* const block = alloca(bytes);
  Use(block);
  then();
  Use(block);
}

WITHOUT_FRAME_POINTER void WithARealignedStack(const Callback& then, size_t bytes) {
  alignas(64) char aligned[256];
  void* const block = alloca(bytes);
  Use(aligned);
  Use(block);
  then();
  Use(aligned);
  Use(block);
}

WITHOUT_FRAME_POINTER void WithALargeFrame(const Callback& then) {
  char large[200'000];
  Use(large);
  then();
  Use(large);
}

// For callbacks without an argument of their own.
thread_local const Callback* t_callback;
int CompareInts(const void* a, const void* b) {
  (*t_callback)();
  return *static_cast<const int*>(a) - *static_cast<const int*>(b);
}

void ThroughLibraries(const Callback& then) {
  const Callback* const before = t_callback;
  int ints[] = {2, 1};
  const Callback again = [&] {
    const Callback* const mine = t_callback;
    then();
    t_callback = mine;
  };
  t_callback = &again;
  qsort(ints, std::size(ints), sizeof ints[0], CompareInts);
  std::sort(std::begin(ints), std::end(ints), [&](int a, int b) {
    then();
    return a > b;
  });
  t_callback = before;
}

jmp_buf g_out;
[[noreturn]] __attribute__((noinline)) void CallAndLeave(const Callback& then) {
  then();
  longjmp(g_out, 1);
}
// Nothing follows its last instruction, a call: the address that is returned to is not its own any more.
WITHOUT_FRAME_POINTER void WithACallAtItsEnd(const Callback& then) {
  char block[64];
  Use(block);
  CallAndLeave(then);
}
void LeavingOnTheWay(const Callback& then) {
  jmp_buf before;
  memcpy(&before, &g_out, sizeof before);
  if (setjmp(g_out) == 0) WithACallAtItsEnd(then);
  memcpy(&g_out, &before, sizeof before);
}

[[maybe_unused]] void InASignalHandler(const Callback& then) {
  const Callback* const callback_before = t_callback;
  t_callback = &then;
  struct sigaction action = {};
  struct sigaction before;
  action.sa_handler = [](int) { (*t_callback)(); };
  action.sa_flags = SA_NODEFER;
  sigaction(SIGUSR1, &action, &before);
  raise(SIGUSR1);
  sigaction(SIGUSR1, &before, nullptr);
  t_callback = callback_before;
}

// Every case around every other: what one does to the registers must not matter to the next.
using Case = std::function<void(const Callback&)>;
std::vector<Case> Cases() {
  std::vector<Case> cases = {
      WithFramePointer,
      WithoutFramePointer,
      [](const Callback& then) { WithJunk(then, 0); },
      [](const Callback& then) { WithJunk(then, 0x1234'5678'9abc'def1); },
      [](const Callback& then) { WithJunk(then, reinterpret_cast<uint64_t>(&then) & ~uint64_t{15}); },
      [](const Callback& then) { WithAVariableFrame(then, 777); },
      [](const Callback& then) { WithARealignedStack(then, 333); },
      WithALargeFrame,
      ThroughLibraries,
      LeavingOnTheWay,
  };
#if !defined(THREAD_SANITIZER)  // it calls handlers itself, some time later
  cases.push_back(InASignalHandler);
#endif
  return cases;
}

void CompareAllPairs() {
  const std::vector<Case> cases = Cases();
  t_compared = 0;
  for (const Case& outer : cases) {
    for (const Case& inner : cases) {
      outer([&] {
        inner([] {
          Comparison comparison;
          Compare(comparison);
          if (!comparison.Agrees()) comparison.Expect();
          t_compared++;
        });
        STAY();
      });
    }
  }
  EXPECT_GE(t_compared, 100);
}

TEST(Walk, EqualsTheUnwindersOnTheMainThread) {
  MakeTables();
  CompareAllPairs();
}

TEST(Walk, EqualsTheUnwindersOnOtherThreads) {
  MakeTables();
  std::thread(CompareAllPairs).join();
}

#if defined(__x86_64__) && !defined(THREAD_SANITIZER)
// The processor stops at every instruction of a library's function and of its callbacks: prologues, epilogues,
// functions that call none, the PLT.
constexpr uint64_t kTrapFlag = 0x100;
volatile bool g_stepping;
volatile int g_steps;
Comparison g_comparison;
void AtAnInstruction(int, siginfo_t*, void* context) {
  auto& flags = static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_EFL];
  if (g_steps == 0 || g_comparison.Agrees()) {
    Compare(g_comparison);
    g_steps = g_steps + 1;
  }
  flags = g_stepping ? flags | static_cast<greg_t>(kTrapFlag) : flags & ~static_cast<greg_t>(kTrapFlag);
}

TEST(Walk, EqualsTheUnwindersAtEveryInstruction) {
  MakeTables();
  std::mt19937_64 random(7);
  uint64_t numbers[24];
  const auto sort = [&] {
    for (uint64_t& number : numbers) number = random();
    qsort(numbers, std::size(numbers), 8, [](const void* x, const void* y) { return memcmp(x, y, 8); });
  };
  sort();  // so that the loader has no symbol left to look up
  struct sigaction action = {};
  struct sigaction before;
  action.sa_sigaction = AtAnInstruction;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGTRAP, &action, &before);
  g_steps = 0;
  g_stepping = true;
  raise(SIGTRAP);
  sort();
  g_stepping = false;
  raise(SIGTRAP);
  sigaction(SIGTRAP, &before, nullptr);
  EXPECT_GT(g_steps, 1000);
  g_comparison.Expect();  // the first that did not agree, or the last
}
#endif

TEST(Walk, OfAHandlerOnAnAlternateStackKnowsNoBounds) {
  MakeTables();
  std::thread([] {
    constexpr size_t kBytes = size_t{256} << 10;
    std::vector<char> memory(kBytes);
    stack_t stack = {};
    stack.ss_sp = memory.data();
    stack.ss_size = kBytes;
    sigaltstack(&stack, nullptr);
    struct sigaction action = {};
    action.sa_flags = SA_ONSTACK;
    static Walk walk;
    action.sa_handler = [](int) {
      StackBounds bounds = {};
      uint64_t pcs[kMaxFrames];
      const auto sp = reinterpret_cast<uint64_t>(__builtin_frame_address(0));
      walk = WalkStack({reinterpret_cast<uint64_t>(__builtin_return_address(0)), sp + 16, sp}, StackEnd(sp, bounds),
                       pcs, kMaxFrames);
    };
    struct sigaction before;
    sigaction(SIGUSR1, &action, &before);
    raise(SIGUSR1);
    sigaction(SIGUSR1, &before, nullptr);
    stack.ss_flags = SS_DISABLE;
    sigaltstack(&stack, nullptr);
    EXPECT_EQ(walk.frames, 1U);
    EXPECT_EQ(walk.end, WalkEnd::kNoBounds);
  }).join();
}

// Stacks made by hand. Addresses of code are such that no object holds them, as V8's are.
constexpr uint64_t kJit = 0x10'0000'0000;

class MadeUpStack {
 public:
  uint64_t At(size_t word) const { return reinterpret_cast<uint64_t>(words + word); }
  Walk From(uint64_t pc, size_t sp, uint64_t fp, size_t capacity = kMaxFrames) {
    return WalkStack({pc, At(sp), fp}, At(kWords), pcs, capacity);
  }
  // A frame at `fp`: the caller's frame, and where it is returned to.
  void Frame(size_t fp, uint64_t caller, uint64_t pc) {
    words[fp] = caller;
    words[fp + 1] = pc;
  }

  static constexpr size_t kWords = 64;
  uint64_t words[kWords] = {};
  uint64_t pcs[kMaxFrames] = {};
};

TEST(Walk, FollowsFramePointersThroughUnknownCode) {
  MadeUpStack stack;
  stack.Frame(8, stack.At(20), kJit + 1);
  stack.Frame(20, 0, kJit + 2);
  const Walk walk = stack.From(kJit, 2, stack.At(8));
  ASSERT_EQ(walk.frames, 3U);
  EXPECT_EQ(stack.pcs[2], kJit + 2);
  EXPECT_EQ(walk.end, WalkEnd::kBadFramePointer);  // only the executable has a bottom without unwind data
  EXPECT_FALSE(walk.guessed);
}

TEST(Walk, EndsWhereAFrameIsNotAboveTheOneBefore) {
  for (const size_t caller : {8, 4, 9}) {
    MadeUpStack stack;
    stack.Frame(8, stack.At(caller), kJit + 1);
    EXPECT_EQ(stack.From(kJit, 2, stack.At(8)).end, WalkEnd::kBadFramePointer);
  }
  MadeUpStack stack;
  for (const uint64_t fp : {stack.At(1), stack.At(63), stack.At(64), stack.At(8) + 4, uint64_t{0}, ~uint64_t{7}}) {
    const Walk walk = stack.From(kJit, 2, fp);
    EXPECT_EQ(walk.frames, 1U);
    EXPECT_EQ(walk.end, WalkEnd::kBadFramePointer);
  }
}

TEST(Walk, TakesNoAddressOfTheStackForCode) {
  MadeUpStack stack;
  stack.Frame(8, stack.At(20), stack.At(30));
  EXPECT_EQ(stack.From(kJit, 2, stack.At(8)).end, WalkEnd::kBadFramePointer);
  stack.Frame(8, stack.At(20), 4095);
  EXPECT_EQ(stack.From(kJit, 2, stack.At(8)).end, WalkEnd::kBadFramePointer);
  stack.Frame(8, stack.At(20), 0);
  EXPECT_EQ(stack.From(kJit, 2, stack.At(8)).end, WalkEnd::kBottom);
}

TEST(Walk, SaysWhenThereWereMoreFramesThanRoom) {
  MadeUpStack stack;
  for (size_t fp = 4; fp + 4 < MadeUpStack::kWords; fp += 4) stack.Frame(fp, stack.At(fp + 4), kJit + fp);
  stack.Frame(60, 0, 0);
  EXPECT_EQ(stack.From(kJit, 2, stack.At(4), 15).end, WalkEnd::kBottom);
  stack.pcs[14] = 0;
  const Walk walk = stack.From(kJit, 2, stack.At(4), 14);
  EXPECT_EQ(walk.end, WalkEnd::kTruncated);
  EXPECT_EQ(walk.frames, 14U);
  EXPECT_EQ(stack.pcs[14], 0U);
}

TEST(Walk, GivesTheBytecodeOfAnInterpretedFrame) {
  AddInterpreterRange(kJit + 0x100000, kJit + 0x100200);
  MadeUpStack stack;
  const uint64_t trampoline = kJit + 0x100080;
  const uint64_t bytecode = 0x2000'0000'0001;  // a tagged pointer
  stack.Frame(16, stack.At(32), trampoline);   // native code that JavaScript called
  stack.Frame(32, stack.At(48), kJit + 5);
  stack.words[32 - 4] = bytecode;
  stack.words[32 - 5] = uint64_t{77} << 32;
  stack.Frame(48, 0, 0);
  Walk walk = stack.From(kJit, 2, stack.At(16));
  ASSERT_EQ(walk.frames, 3U);
  EXPECT_EQ(stack.pcs[1], bytecode + 77);
  EXPECT_EQ(stack.pcs[2], kJit + 5);

  // What is no pointer, and what is no small integer, is not taken for them.
  stack.words[32 - 4] = bytecode + 1;
  walk = stack.From(kJit, 2, stack.At(16));
  EXPECT_EQ(stack.pcs[1], trampoline);
  stack.words[32 - 4] = bytecode;
  stack.words[32 - 5] = 77;
  walk = stack.From(kJit, 2, stack.At(16));
  EXPECT_EQ(stack.pcs[1], trampoline);

  // Its slots would lie below the stack pointer.
  stack.words[2 - 1] = bytecode;
  stack.Frame(3, stack.At(48), kJit + 5);
  walk = stack.From(trampoline, 2, stack.At(3));
  EXPECT_EQ(stack.pcs[0], trampoline);
  EXPECT_EQ(walk.frames, 2U);
}

TEST(Walk, WithoutBoundsIsTheCallerAlone) {
  MadeUpStack stack;
  const Walk walk = WalkStack({kJit, stack.At(2), stack.At(8)}, 0, stack.pcs, kMaxFrames);
  EXPECT_EQ(walk.frames, 1U);
  EXPECT_EQ(walk.end, WalkEnd::kNoBounds);
  EXPECT_EQ(stack.pcs[0], kJit);
}

// Nothing outside [sp, end) may be read, whatever lies on the stack: under AddressSanitizer a read beyond it fails.
TEST(Walk, ReadsNothingButTheStack) {
  MakeTables();
  std::mt19937_64 random(3);
  std::vector<uint64_t> code = {kJit, kJit + 0x100080, reinterpret_cast<uint64_t>(&raise),
                                reinterpret_cast<uint64_t>(&qsort), reinterpret_cast<uint64_t>(&Compare)};
  for (int round = 0; round < 200'000; round++) {
    const size_t words = 1 + random() % 48;
    std::vector<uint64_t> stack(words);
    const auto base = reinterpret_cast<uint64_t>(stack.data());
    const auto word = [&]() -> uint64_t {
      switch (random() % 8) {
        case 0:
          return random();
        case 1:
          return random() % 64;
        case 2:
        case 3:
        case 4:
          return code[random() % code.size()] + random() % 4096;
        default:
          return base + random() % (words * 8 + 32);
      }
    };
    for (uint64_t& value : stack) value = random() % 2 == 0 ? word() & ~uint64_t{7} : word();
    uint64_t pcs[16];
    const size_t sp = random() % (words + 1);
    const Walk walk = WalkStack({word(), base + sp * 8, word() & ~uint64_t{7}}, base + words * 8, pcs, 16);
    ASSERT_LE(walk.frames, 16U);
    ASSERT_GE(walk.frames, 1U);
  }
}

}  // namespace
}  // namespace tidemark
