#include "allocator/allocator_counters.h"

#include "allocator/jemalloc.h"
#include "allocator/mimalloc.h"
#include "allocator/tcmalloc.h"

namespace tidemark {
namespace {

constexpr char kVirtual[] = "it counts blocks that were never touched as if they were resident";

constexpr AllocatorFacts kGlibcFacts = {"a walk over its chunks", "high",
                                        "every chunk says its size and whether it is in use", "malloc_trim(0)"};
constexpr AllocatorFacts kMuslFacts = {"", "none", "musl’s malloc has no counters", ""};
constexpr AllocatorFacts kJemallocFacts = {"mallctl stats.*", "low", kVirtual, "mallctl arena.4096.purge"};
constexpr AllocatorFacts kMimallocFacts = {
    "mi_process_info", "none", "mimalloc’s release builds count what is committed, and not which blocks are in use",
    "mi_collect(true)"};
constexpr AllocatorFacts kTcmallocFacts = {"MallocExtension_GetNumericProperty", "low", kVirtual,
                                           "MallocExtension_ReleaseFreeMemory"};
constexpr AllocatorFacts kUnknownFacts = {"", "none", "malloc is provided by an allocator that tidemark does not know",
                                          ""};

}  // namespace

const AllocatorFacts& FactsOf(Allocator allocator) noexcept {
  switch (allocator) {
    case Allocator::kGlibc:
      return kGlibcFacts;
    case Allocator::kMusl:
      return kMuslFacts;
    case Allocator::kJemalloc:
      return kJemallocFacts;
    case Allocator::kMimalloc:
      return kMimallocFacts;
    case Allocator::kTcmalloc:
      return kTcmallocFacts;
    case Allocator::kUnknown:
      break;
  }
  return kUnknownFacts;
}

bool ReadAllocatorCounters(AllocatorCounters& counters) noexcept {
  counters = {};
  switch (OwnAllocator()) {
    case Allocator::kJemalloc:
      return ReadJemalloc(FindJemalloc(), counters);
    case Allocator::kMimalloc:
      return ReadMimalloc(FindMimalloc(), counters);
    case Allocator::kTcmalloc:
      return ReadTcmalloc(FindTcmalloc(), counters);
    default:
      return false;
  }
}

}  // namespace tidemark
