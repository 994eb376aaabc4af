#include "stack/v8_api.h"

#include <dlfcn.h>

#include "stack/interpreter_frames.h"

namespace tidemark {
namespace {

template <class Pointer>
void Find(Pointer& pointer, const char* symbol) noexcept {
  pointer = reinterpret_cast<Pointer>(dlsym(RTLD_DEFAULT, symbol));
}

// Offsets that debuggers are given: plain ints among the data of V8.
void ReadOffset(std::atomic<int32_t>& offset, const char* symbol) noexcept {
  const void* address = dlsym(RTLD_DEFAULT, symbol);
  if (address != nullptr) offset.store(*static_cast<const int*>(address), std::memory_order_relaxed);
}

V8Api Resolve() noexcept {
  V8Api api = {};
  Find(api.get_stack_sample, "_ZN2v87Isolate14GetStackSampleERKNS_13RegisterStateEPPvmPNS_10SampleInfoE");
  Find(api.set_jit_code_event_handler,
       "_ZN2v87Isolate22SetJitCodeEventHandlerENS_19JitCodeEventOptionsEPFvPKNS_12JitCodeEventEE");
  Find(api.try_get_current, "_ZN2v87Isolate13TryGetCurrentEv");
  Find(api.add_gc_prologue_callback,
       "_ZN2v87Isolate21AddGCPrologueCallbackEPFvPS0_NS_6GCTypeENS_15GCCallbackFlagsEPvES4_S2_");
  Find(api.add_gc_epilogue_callback,
       "_ZN2v87Isolate21AddGCEpilogueCallbackEPFvPS0_NS_6GCTypeENS_15GCCallbackFlagsEPvES4_S2_");
  Find(api.remove_gc_prologue_callback,
       "_ZN2v87Isolate24RemoveGCPrologueCallbackEPFvPS0_NS_6GCTypeENS_15GCCallbackFlagsEPvES4_");
  Find(api.remove_gc_epilogue_callback,
       "_ZN2v87Isolate24RemoveGCEpilogueCallbackEPFvPS0_NS_6GCTypeENS_15GCCallbackFlagsEPvES4_");
  Find(api.get_heap_statistics, "_ZN2v87Isolate17GetHeapStatisticsEPNS_14HeapStatisticsE");
  ReadOffset(g_interpreter_frames.bytecode_array_offset, "v8dbg_off_fp_bytecode_array");
  ReadOffset(g_interpreter_frames.bytecode_offset_offset, "v8dbg_off_fp_bytecode_offset");
  return api;
}

}  // namespace

const V8Api& GetV8Api() noexcept {
  static const V8Api api = Resolve();
  return api;
}

}  // namespace tidemark
