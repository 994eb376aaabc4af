// Whose malloc this process uses, found by name at run time: one binary serves all, with no header of theirs.
//
// A name alone proves nothing: an addon may bring a jemalloc for itself. The allocator is the one whose object also
// provides the malloc that the process calls. For a function whose address Node takes, dlsym gives Node's own PLT stub,
// so several are asked for, and one that agrees is enough.
#pragma once

#include "allocator/allocator.h"

namespace tidemark {

// Found out once. Not in a hook: dlsym and dladdr take the loader's lock.
Allocator OwnAllocator() noexcept;

void* FindSymbol(const char* name) noexcept;

// The function of that name which the process would call; null where there is none.
template <class Function>
Function Find(const char* name) noexcept {
  return reinterpret_cast<Function>(FindSymbol(name));
}

}  // namespace tidemark
