// Asks this process's allocator to give back what it holds free, and measures what came of it.
#pragma once

#include "allocator/allocator_counters.h"
#include "proc/proc_file.h"
#include "proc/statm.h"

namespace tidemark {

struct FreeMemoryRelease {
  Usage before, after;        // read right around the call
  double milliseconds = NAN;  // of the call alone
};

// Releases are made one after the other, so that none counts what another gave back. Other threads go on allocating:
// what they took or gave meanwhile is in the difference. For a pool thread: see ReadAllocatorCounters, and glibc holds
// an arena's lock while it walks it. ENOTSUP where the allocator has no such call.
Failure ReleaseFreeMemory(FreeMemoryRelease& release) noexcept;

}  // namespace tidemark
