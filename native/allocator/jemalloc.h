// jemalloc 5, by mallctl(3): what it holds, and how it gives it back.
// Source: jemalloc(3). Names that a build lacks (statistics can be left out) give ENOENT.
#pragma once

#include <cstddef>

#include "allocator/allocator_counters.h"

namespace tidemark {

using Mallctl = int (*)(const char* name, void* old_value, size_t* old_size, void* new_value, size_t new_size);

Mallctl FindJemalloc() noexcept;

// `releasable` is its dirty and muzzy pages. What it keeps in threads' caches counts as live.
bool ReadJemalloc(Mallctl mallctl, AllocatorCounters& counters) noexcept;

// Purges all arenas at once, whatever their decay times say. 0 or an errno. Other threads allocate meanwhile.
int ReleaseJemalloc(Mallctl mallctl) noexcept;

}  // namespace tidemark
