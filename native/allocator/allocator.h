// The allocators that are told apart, and how one shows from outside: by the names of a process's mappings.
#pragma once

#include <cstdint>

#include "base/string_table.h"

namespace tidemark {

enum class Allocator : uint8_t { kUnknown, kGlibc, kMusl, kJemalloc, kMimalloc, kTcmalloc };

// "glibc", "musl", "jemalloc", "mimalloc", "tcmalloc"; "unknown" for any other.
const char* NameOf(Allocator allocator) noexcept;

// What the names of a process's mappings say about its malloc. kUnknown where no library tells (a static program), and
// where two allocators are loaded: which of them came first is not in the names. An allocator that is linked into the
// program has no mapping of its own, so the C library is named instead; one that is loaded and not used for malloc is
// named all the same. Both are for the reader of the heap to notice.
Allocator AllocatorFromMappings(const StringTable& names) noexcept;

}  // namespace tidemark
