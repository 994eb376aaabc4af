// mimalloc 2 and 3. Source: mimalloc.h, src/stats.c.
//
// Of a release build only the committed bytes are known. The blocks in use are counted in debug builds alone; each
// heap is its thread's own and can be visited by that thread only, so no reader may add them up. What version 3 has
// purged stays committed, so there `resident` is a high-water mark.
#pragma once

#include <cstddef>

#include "allocator/allocator_counters.h"

namespace tidemark {

struct Mimalloc {
  // Milliseconds elapsed, of user and of system time; bytes of RSS now and at most, committed now and at most; faults.
  void (*process_info)(size_t*, size_t*, size_t*, size_t*, size_t*, size_t*, size_t*, size_t*);
  void (*thread_init)();
  void (*collect)(bool force);
};

const Mimalloc& FindMimalloc() noexcept;

bool ReadMimalloc(const Mimalloc& mimalloc, AllocatorCounters& counters) noexcept;

// Gives back what is shared by all threads: cached segments and the heaps of threads that have ended. What the heaps of
// living threads keep for themselves stays: 43 to 57 MiB after bursts of 77 to 770 (2.0.9). No malloc was seen to wait.
int ReleaseMimalloc(const Mimalloc& mimalloc) noexcept;

}  // namespace tidemark
