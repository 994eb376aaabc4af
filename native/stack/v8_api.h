// The few entry points of V8 that Node-API does not offer, found by name in the running binary.
//
// Node-API keeps one addon for every Node, but it knows neither code addresses nor stacks. These are exported by
// every Node from 20 to 26 (V8 11.3 to 14.6) with the same arguments; no V8 header is included, so a V8 that lacks one
// leaves a null here and its user falls back. The structs below are what those functions read and write: the fields
// were compared, header by header, across the same versions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace tidemark {

// v8::Isolate, never looked into.
struct V8Isolate;

// v8::RegisterState. The last field is a unique_ptr, null for us.
struct V8RegisterState {
  uintptr_t pc;
  uintptr_t sp;
  uintptr_t fp;
  uintptr_t lr;
  void* callee_saved;
};

// v8::SampleInfo. The state is read as 16 bits: that is what it is from V8 12 on, and before that an int whose values
// fit. The room behind it is for what V8 may add.
struct V8SampleInfo {
  size_t frames_count;
  void* external_callback_entry;
  void* context;
  void* embedder_context;
  uint16_t vm_state;
  char rest[62];
};

// v8::JitCodeEvent.
struct V8JitCodeEvent {
  enum Type : int { kAdded, kMoved, kRemoved, kAddLinePosition, kStartLines, kEndLines };
  enum CodeType : int { kBytecode, kJit, kWasm };
  struct Name {
    const char* text;
    size_t length;
  };
  struct Line {
    size_t offset;
    size_t position;
    int kind;  // 0 a position, 1 the beginning of a statement (V8 sends both for the same offset)
  };

  Type type;
  CodeType code_type;
  void* code_start;
  size_t code_length;
  void* script;
  // Of the line events: what the handler of kStartLines stores here comes back with the others.
  void* user_data;
  void* wasm_source_info;
  union {
    Name name;             // kAdded
    Line line;             // kAddLinePosition
    void* new_code_start;  // kMoved
  };
  V8Isolate* isolate;
};

// v8::HeapStatistics: sizes in bytes, and flags behind them. The room at its end is for what V8 may add.
struct V8HeapStatistics {
  size_t total_heap_size;
  size_t total_heap_size_executable;
  size_t total_physical_size;
  size_t total_available_size;
  size_t used_heap_size;
  char rest[472];
};
static_assert(std::is_standard_layout_v<V8HeapStatistics> && offsetof(V8HeapStatistics, used_heap_size) == 32);

using V8JitCodeHandler = void (*)(const V8JitCodeEvent* event);
using V8GcCallback = void (*)(V8Isolate* isolate, int type, int flags, void* data);
constexpr int kV8GcMarkCompact = 4;
constexpr int kV8GcAll = 31;

static_assert(std::is_standard_layout_v<V8JitCodeEvent> && offsetof(V8JitCodeEvent, name) == 48);
static_assert(offsetof(V8JitCodeEvent, isolate) == 72 && offsetof(V8SampleInfo, vm_state) == 32);

// Each null where this V8 does not have it.
struct V8Api {
  // Isolate::GetStackSample(state, frames, capacity, info)
  void (*get_stack_sample)(V8Isolate*, const V8RegisterState*, void** frames, size_t capacity, V8SampleInfo*);
  // Isolate::SetJitCodeEventHandler(options, handler): options 1 also reports the code that exists already.
  void (*set_jit_code_event_handler)(V8Isolate*, int options, V8JitCodeHandler);
  // Isolate::TryGetCurrent(): null on a thread that runs no isolate.
  V8Isolate* (*try_get_current)();
  // Isolate::{Add,Remove}GC{Prologue,Epilogue}Callback(callback, data[, types])
  void (*add_gc_prologue_callback)(V8Isolate*, V8GcCallback, void* data, int types);
  void (*add_gc_epilogue_callback)(V8Isolate*, V8GcCallback, void* data, int types);
  void (*remove_gc_prologue_callback)(V8Isolate*, V8GcCallback, void* data);
  void (*remove_gc_epilogue_callback)(V8Isolate*, V8GcCallback, void* data);
  // Isolate::GetHeapStatistics(statistics)
  void (*get_heap_statistics)(V8Isolate*, V8HeapStatistics*);
};

// Looked up by the first call, which must therefore not be in a hook; it also tells g_interpreter_frames where this
// V8 keeps the bytecode of an interpreted frame.
const V8Api& GetV8Api() noexcept;

}  // namespace tidemark
