#include "stack/gc_state.h"

#include <type_traits>

#include "base/static_tls.h"
#include "stack/code_map.h"

namespace tidemark {
namespace {

struct ThreadIsolate {
  V8Isolate* isolate;
  int collections;  // those that have begun and not ended
  MajorCollections majors;
};
static_assert(std::is_trivially_destructible_v<ThreadIsolate>, "hooks run after the destructors of a thread");

TIDEMARK_STATIC_TLS thread_local ThreadIsolate t_isolate = {nullptr, 0, {0, 0}};

void OnPrologue(V8Isolate*, int, int, void*) noexcept { t_isolate.collections++; }

bool TellsMajorCollections(const V8Api& api) noexcept {
  return api.add_gc_epilogue_callback != nullptr && api.get_heap_statistics != nullptr;
}

// Here and not later, as what runs next allocates: a reading of V8's heap profile, which collects first, adds a copy of
// all of it as text and one as objects.
void NoteMajorCollection(V8Isolate* isolate) noexcept {
  const V8Api& api = GetV8Api();
  if (!TellsMajorCollections(api)) return;
  V8HeapStatistics statistics = {};
  api.get_heap_statistics(isolate, &statistics);
  t_isolate.majors = {t_isolate.majors.count + 1, statistics.used_heap_size};
}

void OnEpilogue(V8Isolate* isolate, int type, int, void*) noexcept {
  if (t_isolate.collections > 0) t_isolate.collections--;
  if ((type & kV8GcMarkCompact) == 0) return;
  JsCode().NoteCollection();
  NoteMajorCollection(isolate);
}

}  // namespace

void WatchIsolateOfThisThread() noexcept {
  const V8Api& api = GetV8Api();
  V8Isolate* isolate = api.try_get_current == nullptr ? nullptr : api.try_get_current();
  if (isolate == nullptr || t_isolate.isolate == isolate) return;
  t_isolate = {isolate, 0, {0, 0}};
  if (api.add_gc_prologue_callback == nullptr || api.add_gc_epilogue_callback == nullptr) return;
  api.add_gc_prologue_callback(isolate, OnPrologue, nullptr, kV8GcAll);
  api.add_gc_epilogue_callback(isolate, OnEpilogue, nullptr, kV8GcAll);
}

void ForgetIsolateOfThisThread() noexcept {
  const V8Api& api = GetV8Api();
  V8Isolate* isolate = t_isolate.isolate;
  t_isolate = {nullptr, 0, {0, 0}};
  if (isolate == nullptr) return;
  JsCode().Forget(reinterpret_cast<uint64_t>(isolate));
  if (api.remove_gc_prologue_callback != nullptr) api.remove_gc_prologue_callback(isolate, OnPrologue, nullptr);
  if (api.remove_gc_epilogue_callback != nullptr) api.remove_gc_epilogue_callback(isolate, OnEpilogue, nullptr);
}

V8Isolate* WatchedIsolate() noexcept { return t_isolate.isolate; }

bool InGarbageCollection() noexcept { return t_isolate.collections > 0; }

bool GetMajorCollections(MajorCollections& out) noexcept {
  if (t_isolate.isolate == nullptr || !TellsMajorCollections(GetV8Api())) return false;
  out = t_isolate.majors;
  return true;
}

}  // namespace tidemark
