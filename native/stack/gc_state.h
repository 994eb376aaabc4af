// Whether the isolate of a thread is collecting garbage, readable in a hook, and what its major collections leave.
//
// V8's stack sampler must not run then, and what it would read is moving. V8's own state is not public; its callbacks
// at the beginning and end of each collection are, and they nest.
#pragma once

#include <cstddef>
#include <cstdint>

#include "stack/v8_api.h"

namespace tidemark {

struct MajorCollections {
  uint64_t count;     // since the isolate is watched
  size_t used_after;  // bytes in use as the last of them ended; 0 before the first
};

// The calling thread's isolate, until the thread forgets it. Harmless on a thread without one, or twice. Not in a hook.
void WatchIsolateOfThisThread() noexcept;

// Before the isolate goes (when the environment of the addon is torn down): what a hook on this thread does afterwards
// must not reach for it, and its code is the first that the code map may give up.
void ForgetIsolateOfThisThread() noexcept;

// In a hook: the isolate that this thread watches, or null.
V8Isolate* WatchedIsolate() noexcept;

// In a hook. False on a thread that watches no isolate.
bool InGarbageCollection() noexcept;

// Of the isolate that this thread watches. False where it watches none, or V8 does not tell.
bool GetMajorCollections(MajorCollections& out) noexcept;

}  // namespace tidemark
