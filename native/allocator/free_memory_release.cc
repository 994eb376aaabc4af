#include "allocator/free_memory_release.h"

#include <cerrno>
#include <chrono>
#include <mutex>

#include "allocator/jemalloc.h"
#include "allocator/mimalloc.h"
#include "allocator/tcmalloc.h"

namespace tidemark {
namespace {

int ReleaseGlibc() noexcept {
  static const auto malloc_trim = Find<int (*)(size_t)>("malloc_trim");
  if (malloc_trim == nullptr) return ENOTSUP;
  malloc_trim(0);  // what it returns says only whether there was anything
  return 0;
}

int Release(Allocator allocator) noexcept {
  switch (allocator) {
    case Allocator::kGlibc:
      return ReleaseGlibc();
    case Allocator::kJemalloc:
      return ReleaseJemalloc(FindJemalloc());
    case Allocator::kMimalloc:
      return ReleaseMimalloc(FindMimalloc());
    case Allocator::kTcmalloc:
      return ReleaseTcmalloc(FindTcmalloc());
    default:
      return ENOTSUP;
  }
}

}  // namespace

Failure ReleaseFreeMemory(FreeMemoryRelease& release) noexcept {
  static std::mutex one_at_a_time;
  const std::scoped_lock lock(one_at_a_time);
  const Allocator allocator = OwnAllocator();

  release = {};
  Failure failure = ReadUsage(0, release.before);
  if (failure) return failure;
  const auto start = std::chrono::steady_clock::now();
  const int error = Release(allocator);
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
  if (error != 0) return {error, 0, "the allocator"};
  failure = ReadUsage(0, release.after);
  if (failure) return failure;
  release.milliseconds = took.count();
  return {};
}

}  // namespace tidemark
