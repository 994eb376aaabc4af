#include "stack/stack_bounds.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <cerrno>
#include <csignal>
#include <thread>

namespace tidemark {
namespace {

__attribute__((noinline)) uint64_t Here() {
  return reinterpret_cast<uint64_t>(__builtin_frame_address(0)) & ~uint64_t{7};
}

// The end of the stack that this is called on, found by a thread that has found none yet.
uint64_t EndHere() {
  StackBounds bounds = {};
  errno = ENOTTY;
  const uint64_t end = StackEnd(Here(), bounds);
  EXPECT_EQ(errno, ENOTTY);
  return end;
}

// AddressSanitizer would have the spaces between variables untouched.
__attribute__((no_sanitize("address"))) void ExpectAllReadable(uint64_t from, uint64_t to) {
  uint64_t sum = 0;
  for (uint64_t at = from; at < to; at += 8) sum += *reinterpret_cast<const volatile uint64_t*>(at) & 1;
  EXPECT_LE(sum, (to - from) / 8);
}

// The main thread's stack ends above the variables that its first function had.
TEST(StackBounds, AreKnownOnTheMainThread) {
  const uint64_t end = EndHere();
  ASSERT_NE(end, 0U);
  EXPECT_GT(end, reinterpret_cast<uint64_t>(environ[0]) - (uint64_t{1} << 20));
  ExpectAllReadable(Here(), end);
}

TEST(StackBounds, AreKnownOnOtherThreads) {
  std::thread([] {
    pthread_attr_t attributes;
    ASSERT_EQ(pthread_getattr_np(pthread_self(), &attributes), 0);
    void* low;
    size_t size;
    pthread_attr_getstack(&attributes, &low, &size);
    pthread_attr_destroy(&attributes);
    const uint64_t end = EndHere();
    EXPECT_LE(end, reinterpret_cast<uint64_t>(low) + size);
    EXPECT_GT(end, reinterpret_cast<uint64_t>(low) + size - 65536);
    ExpectAllReadable(Here(), end);
  }).join();
}

__attribute__((noinline)) uint64_t Deep(int depth, StackBounds& bounds) {
  char frame[4096];
  asm volatile("" : : "r"(frame) : "memory");
  const uint64_t end = depth == 0 ? StackEnd(Here(), bounds) : Deep(depth - 1, bounds);
  asm volatile("" : : "r"(frame) : "memory");
  return end;
}

TEST(StackBounds, ReachAsDeepAsTheStackDoes) {
  StackBounds bounds = {};
  const uint64_t end = StackEnd(Here(), bounds);
  const uint64_t low = bounds.low;
  EXPECT_EQ(Deep(100, bounds), end);
  EXPECT_LT(bounds.low, low - 100 * 4096);
  EXPECT_EQ(StackEnd(Here(), bounds), end);
}

// A stack that someone else made, right below a thread's own and with a guard page in between: without a look at that
// page, it would seem to go on to the thread's end.
struct Coroutine {
  static constexpr size_t kPage = 65536;
  ucontext_t context;
  ucontext_t caller;
  uint64_t end_inside;

  static Coroutine* running;
  static void Enter() {
    running->end_inside = EndHere();
    swapcontext(&running->context, &running->caller);
  }
  void Run(void* stack, size_t size) {
    getcontext(&context);
    context.uc_stack.ss_sp = stack;
    context.uc_stack.ss_size = size;
    context.uc_link = nullptr;
    makecontext(&context, Enter, 0);
    running = this;
    swapcontext(&caller, &context);
  }
};
Coroutine* Coroutine::running;

TEST(StackBounds, AreNotThoseOfAnotherStackBehindAGuardPage) {
  // [ coroutine 256 K | guard | thread's stack ]
  constexpr size_t kThreadBytes = size_t{1} << 20;
  constexpr size_t kCoroutineBytes = size_t{256} << 10;
  constexpr size_t kBytes = kCoroutineBytes + Coroutine::kPage + kThreadBytes;
  char* map = static_cast<char*>(mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(map, MAP_FAILED);
  mprotect(map + kCoroutineBytes, Coroutine::kPage, PROT_NONE);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstack(&attributes, map + kCoroutineBytes + Coroutine::kPage, kThreadBytes);
  pthread_t thread;
  const auto body = [](void* stack) -> void* {
    EXPECT_NE(EndHere(), 0U);
    Coroutine coroutine;
    coroutine.end_inside = 1;
    coroutine.Run(stack, kCoroutineBytes);
    EXPECT_EQ(coroutine.end_inside, 0U);
    return nullptr;
  };
  ASSERT_EQ(pthread_create(&thread, &attributes, body, map), 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
  munmap(map, kBytes);
}

TEST(StackBounds, AreUnknownOnAMappedStack) {
  constexpr size_t kBytes = size_t{256} << 10;
  // 4 GiB that cannot be read behind it: wherever the kernel puts it, nothing readable follows.
  constexpr size_t kReserve = size_t{4} << 30;
  char* map =
      static_cast<char*>(mmap(nullptr, kReserve, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  ASSERT_NE(map, MAP_FAILED);
  mprotect(map, kBytes, PROT_READ | PROT_WRITE);
  std::thread([map] {
    Coroutine coroutine;
    coroutine.end_inside = 1;
    coroutine.Run(map, kBytes);
    EXPECT_EQ(coroutine.end_inside, 0U);
  }).join();
  munmap(map, kReserve);
}

TEST(StackBounds, OfAThreadThatFirstAskedOnAnotherStackAreFoundLater) {
  constexpr size_t kBytes = size_t{256} << 10;
  std::thread([] {
    void* stack = mmap(nullptr, kBytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    StackBounds bounds = {};
    // Above the thread pointer, so not on its stack.
    EXPECT_EQ(StackEnd(UINT64_MAX - 4096, bounds), 0U);
    EXPECT_NE(StackEnd(Here(), bounds), 0U);
    munmap(stack, kBytes);
  }).join();
}

}  // namespace
}  // namespace tidemark
