// How far up the stack of the calling thread may be read.
//
// pthread_getattr_np allocates, and for the main thread reads /proc: nothing for a hook. But the C library puts a
// thread's control block at the top of its stack, so the thread pointer is an end of it, and the kernel puts AT_RANDOM
// above the first frame of the main thread. Whether the stack that is in use is that one (and not a fiber's, or the
// alternate stack of a signal handler) shows when every page in between can be read: stacks have a guard page or a
// hole below.
#pragma once

#include <cstdint>

namespace tidemark {

// What a thread has found out so far; all zeros at first. Pages of [low, high) are known to be readable.
struct StackBounds {
  uint64_t low;
  uint64_t high;
};

// An end of the stack that holds `sp`: [sp, end) can be read. 0 when none is known, as on a fiber. In a hook, for the
// calling thread only, with its own `cache`; a system call a page when `sp` is lower than ever before, else none. errno
// is kept.
uint64_t StackEnd(uint64_t sp, StackBounds& cache) noexcept;

}  // namespace tidemark
