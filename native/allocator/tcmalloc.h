// tcmalloc, gperftools' and Google's, by the C functions of their MallocExtension. The properties that both have mean
// the same, but for generic.heap_size, which counts what was given back in the one and not in the other.
// Source: gperftools src/tcmalloc.cc (2.10), google/tcmalloc tcmalloc/global_stats.cc and internal_malloc_extension.h.
#pragma once

#include <cstddef>

#include "allocator/allocator_counters.h"

namespace tidemark {

// Null where the library is the other one.
struct Tcmalloc {
  int (*get_property)(const char* name, size_t* value);
  void (*release)();
  bool (*get_property_google)(const char* name, size_t length, size_t* value);
  size_t (*release_google)(size_t bytes);
};

const Tcmalloc& FindTcmalloc() noexcept;

// `releasable` is what its page heap holds. Each property is read by itself, so the sums are off by what the program
// allocates between two.
bool ReadTcmalloc(const Tcmalloc& tcmalloc, AllocatorCounters& counters) noexcept;

// 0 or an errno. gperftools holds the lock of its page heap throughout: a block above 256 KiB waits.
int ReleaseTcmalloc(const Tcmalloc& tcmalloc) noexcept;

}  // namespace tidemark
