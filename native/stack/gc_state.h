// Whether the isolate of a thread is collecting garbage, readable in a hook.
//
// V8's stack sampler must not run then, and what it would read is moving. V8's own state is not public; its callbacks
// at the beginning and end of each collection are, and they nest.
#pragma once

#include "stack/v8_api.h"

namespace tidemark {

// The calling thread's isolate, until the thread forgets it. Harmless on a thread without one, or twice. Not in a hook.
void WatchIsolateOfThisThread() noexcept;

// Before the isolate goes (when the environment of the addon is torn down): what a hook on this thread does afterwards
// must not reach for it, and its code is the first that the code map may give up.
void ForgetIsolateOfThisThread() noexcept;

// In a hook: the isolate that this thread watches, or null.
V8Isolate* WatchedIsolate() noexcept;

// In a hook. False on a thread that watches no isolate.
bool InGarbageCollection() noexcept;

}  // namespace tidemark
