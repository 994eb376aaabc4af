#include "stack/stack_bounds.h"

#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

namespace tidemark {
namespace {

// A stack that is deeper is not walked. Below a main thread's end the kernel keeps 128 MiB free of other mappings.
constexpr uint64_t kMaxStackBytes = uint64_t{64} << 20;
// The smallest there are: checking one twice costs little, missing one costs the process.
constexpr uint64_t kPageBytes = 4096;

uint64_t ThreadPointer() {
#if defined(__aarch64__)
  uint64_t pointer;
  __asm__("mrs %0, tpidr_el0" : "=r"(pointer));
  return pointer;
#else
  uint64_t pointer;  // the control block's first word is its own address, by the psABI
  __asm__("movq %%fs:0, %0" : "=r"(pointer));
  return pointer;
#endif
}

bool Below(uint64_t sp, uint64_t end) { return sp < end && end - sp <= kMaxStackBytes; }

// The kernel copies the set before it looks at the nonsense of what to do with it: EFAULT, or else EINVAL. mincore
// would not do: it counts guard pages as mapped.
bool IsReadable(uint64_t page) {
  constexpr int kNoSuchOperation = -1;
  constexpr size_t kSetBytes = 8;
  return syscall(SYS_rt_sigprocmask, kNoSuchOperation, page, nullptr, kSetBytes) == -1 && errno == EINVAL;
}

}  // namespace

uint64_t StackEnd(uint64_t sp, StackBounds& cache) noexcept {
  if (sp >= cache.low && sp < cache.high) return cache.high;
  const int error = errno;
  if (cache.high == 0) {
    const uint64_t first = getauxval(AT_RANDOM);
    const uint64_t own = ThreadPointer();
    const uint64_t end = Below(sp, first) ? first : Below(sp, own) ? own : 0;
    cache = {end & ~uint64_t{7}, end & ~uint64_t{7}};
  }
  uint64_t end = 0;
  if (Below(sp, cache.high)) {
    const uint64_t lowest = sp & ~(kPageBytes - 1);
    // Downwards, so that what was found out stays when a hole is met.
    uint64_t page = cache.low & ~(kPageBytes - 1);
    bool readable = cache.low > page ? IsReadable(page) : true;
    while (readable && page > lowest) {
      cache.low = page;
      page -= kPageBytes;
      readable = IsReadable(page);
    }
    if (readable) {
      cache.low = lowest;
      end = cache.high;
    }
  }
  errno = error;
  return end;
}

}  // namespace tidemark
