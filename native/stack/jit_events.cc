#include "stack/jit_events.h"

#include <algorithm>
#include <atomic>
#include <new>
#include <string_view>

#include "base/static_tls.h"
#include "stack/code_map.h"
#include "stack/gc_state.h"
#include "stack/interpreter_frames.h"
#include "stack/v8_api.h"

namespace tidemark {
namespace {

// Line tables come pair by pair, and are kept here until they are whole.
struct LineBuffer {
  std::atomic<bool> taken{false};
  KeptArray<LinePosition> pairs;
};
constexpr int kLineBuffers = 4;  // as many threads may be at it at once

LineBuffer* LineBuffers() noexcept {
  // Never destroyed: see JsCode().
  struct All {
    LineBuffer buffers[kLineBuffers];
  };
  alignas(All) static unsigned char memory[sizeof(All)];
  static All& all = *new (memory) All();
  return all.buffers;
}

void OnAdded(const V8JitCodeEvent& event) noexcept {
  const uint64_t start = reinterpret_cast<uint64_t>(event.code_start);
  const std::string_view name(event.name.text, event.name.length);
  const bool bytecode = event.code_type == V8JitCodeEvent::kBytecode;
  const auto length = static_cast<uint32_t>(std::min<size_t>(event.code_length, UINT32_MAX));
  JsCode().Add(start, length, name, bytecode ? CodeKind::kBytecode : CodeKind::kMachine,
               reinterpret_cast<uint64_t>(event.isolate));
  // The second kind is where a frame goes on in the interpreter when its optimized code is given up.
  if (name.substr(0, 8) == "Builtin:" &&
      (name.find("InterpreterEntryTrampoline") != name.npos || name.find("InterpreterEnterAt") != name.npos)) {
    AddInterpreterRange(start, start + length);
  }
}

void OnStartLines(const V8JitCodeEvent& event) noexcept {
  LineBuffer* taken = nullptr;
  for (int i = 0; i < kLineBuffers && taken == nullptr; i++) {
    LineBuffer& buffer = LineBuffers()[i];
    if (!buffer.taken.exchange(true, std::memory_order_acquire)) taken = &buffer;
  }
  if (taken != nullptr) taken->pairs.Shrink(taken->pairs.size());
  // V8 says that the event is const, and reads this field when we return: it is how a listener is meant to use it.
  const_cast<V8JitCodeEvent&>(event).user_data = taken;
}

void OnLine(const V8JitCodeEvent& event) noexcept {
  auto* buffer = static_cast<LineBuffer*>(event.user_data);
  // The beginning of a statement is sent a second time, as a plain position. One too many makes the table refused.
  if (buffer == nullptr || event.line.kind != 0 || buffer->pairs.size() > LineTables::kMaxPairs) return;
  LinePosition* pair = buffer->pairs.Append();
  if (pair != nullptr) *pair = {static_cast<uint32_t>(event.line.offset), static_cast<uint32_t>(event.line.position)};
}

void OnEndLines(const V8JitCodeEvent& event) noexcept {
  const uint64_t start = reinterpret_cast<uint64_t>(event.code_start);
  auto* buffer = static_cast<LineBuffer*>(event.user_data);
  if (buffer == nullptr) {
    JsCode().SetLines(start, nullptr, 0);  // counted there as dropped
    return;
  }
  if (buffer->pairs.size() > 0) JsCode().SetLines(start, buffer->pairs.data(), buffer->pairs.size());
  buffer->taken.store(false, std::memory_order_release);
}

// On the isolate's thread, or on one that compiles for it.
void OnCode(const V8JitCodeEvent* event) noexcept {
  switch (event->type) {
    case V8JitCodeEvent::kAdded:
      return OnAdded(*event);
    case V8JitCodeEvent::kMoved:
      return JsCode().Move(reinterpret_cast<uint64_t>(event->code_start),
                           reinterpret_cast<uint64_t>(event->new_code_start));
    case V8JitCodeEvent::kRemoved:
      return;  // never seen from any V8; stacks taken before may still need the name
    case V8JitCodeEvent::kStartLines:
      return OnStartLines(*event);
    case V8JitCodeEvent::kAddLinePosition:
      return OnLine(*event);
    case V8JitCodeEvent::kEndLines:
      return OnEndLines(*event);
  }
}

TIDEMARK_STATIC_TLS thread_local V8Isolate* t_listened = nullptr;

}  // namespace

JitEvents EnableJitEvents(bool existing) noexcept {
  const V8Api& api = GetV8Api();
  V8Isolate* isolate = api.try_get_current == nullptr ? nullptr : api.try_get_current();
  if (isolate == nullptr || api.set_jit_code_event_handler == nullptr) return JitEvents::kUnsupported;
  // An isolate that was forgotten may be another one by now, at the same address.
  if (t_listened == isolate && WatchedIsolate() == isolate) return JitEvents::kAlreadyOn;
  // The ends of its collections tell which line tables have become void.
  WatchIsolateOfThisThread();
  t_listened = isolate;
  api.set_jit_code_event_handler(isolate, existing ? 1 : 0, OnCode);
  return JitEvents::kOn;
}

}  // namespace tidemark
