#include "stack/js_fallback.h"

#include "stack/gc_state.h"
#include "stack/v8_api.h"

namespace tidemark {

size_t JsFrames(const Registers& registers, uint64_t* out, size_t capacity) noexcept {
  static_assert(sizeof(uint64_t) == sizeof(void*), "V8 fills an array of pointers");
  V8Isolate* isolate = WatchedIsolate();
  if (isolate == nullptr || InGarbageCollection()) return 0;
  // Resolved when the isolate was watched: no dlsym in a hook.
  const V8Api& api = GetV8Api();
  if (api.get_stack_sample == nullptr) return 0;
  const V8RegisterState state = {registers.pc, registers.sp, registers.fp, 0, nullptr};
  V8SampleInfo info = {};
  api.get_stack_sample(isolate, &state, reinterpret_cast<void**>(out), capacity, &info);
  return info.frames_count < capacity ? info.frames_count : capacity;
}

}  // namespace tidemark
