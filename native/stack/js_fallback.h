// The JavaScript part of a stack, as V8 itself finds it.
//
// For stacks that cannot be walked because native code between the hook and JavaScript has neither frame pointers nor
// unwind data (libvips). V8 knows where JavaScript called out and starts there; it takes no lock and allocates nothing,
// but it finds no native frames, and nothing during a collection.
#pragma once

#include <cstddef>
#include <cstdint>

#include "stack/walk.h"

namespace tidemark {

// Addresses of the JavaScript frames above `registers`, leaf first, as code_map.h resolves them. 0 when the thread
// watches no isolate (gc_state.h), is in a collection, is not in JavaScript, or this V8 has no sampler. In a hook.
size_t JsFrames(const Registers& registers, uint64_t* out, size_t capacity) noexcept;

}  // namespace tidemark
