#include "allocator/tcmalloc.h"

#include <cerrno>
#include <cstdint>
#include <cstring>

namespace tidemark {
namespace {

double Read(const Tcmalloc& tcmalloc, const char* name) noexcept {
  size_t value = 0;
  const bool known = tcmalloc.get_property != nullptr ? tcmalloc.get_property(name, &value) != 0
                                                      : tcmalloc.get_property_google(name, std::strlen(name), &value);
  return known ? static_cast<double>(value) : NAN;
}

}  // namespace

const Tcmalloc& FindTcmalloc() noexcept {
  static const Tcmalloc tcmalloc = {
      Find<decltype(Tcmalloc::get_property)>("MallocExtension_GetNumericProperty"),
      Find<decltype(Tcmalloc::release)>("MallocExtension_ReleaseFreeMemory"),
      Find<decltype(Tcmalloc::get_property_google)>("MallocExtension_Internal_GetNumericProperty"),
      Find<decltype(Tcmalloc::release_google)>("MallocExtension_Internal_ReleaseMemoryToSystem")};
  return tcmalloc;
}

bool ReadTcmalloc(const Tcmalloc& tcmalloc, AllocatorCounters& counters) noexcept {
  counters = {};
  const bool gperftools = tcmalloc.get_property != nullptr;
  if (!gperftools && tcmalloc.get_property_google == nullptr) return false;
  counters.live = Read(tcmalloc, "generic.current_allocated_bytes");
  counters.releasable = Read(tcmalloc, "tcmalloc.pageheap_free_bytes");
  double heap = Read(tcmalloc, "generic.heap_size");
  if (gperftools) heap -= Read(tcmalloc, "tcmalloc.pageheap_unmapped_bytes");
  counters.resident = Read(tcmalloc, gperftools ? "generic.total_physical_bytes" : "generic.physical_memory_used");
  counters.metadata = NotNegative(counters.resident - heap);
  counters.free = NotNegative(heap - counters.live);
  return !std::isnan(counters.live);
}

int ReleaseTcmalloc(const Tcmalloc& tcmalloc) noexcept {
  if (tcmalloc.release != nullptr) {
    tcmalloc.release();
  } else if (tcmalloc.release_google != nullptr) {
    tcmalloc.release_google(SIZE_MAX);
  } else {
    return ENOTSUP;
  }
  return 0;
}

}  // namespace tidemark
