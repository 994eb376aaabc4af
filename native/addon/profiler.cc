// The sampling profiler: start, stop, snapshots, coverage.

#include <cmath>
#include <string>

#include "addon/async_job.h"
#include "addon/thread_data.h"
#include "hooks/allocation_hooks.h"
#include "hooks/sampling_session.h"
#include "hooks/slot_patches.h"
#include "hooks/thread_names.h"
#include "hooks/thread_state.h"
#include "profile/collector.h"
#include "profile/js_name.h"
#include "stack/code_map.h"
#include "stack/gc_state.h"
#include "stack/jit_events.h"
#include "stack/unwind_table.h"
#include "stack/walk.h"

namespace tidemark {
namespace {

template <class Row>
Napi::Float64Array Rows(Napi::Env env, const MappedArray<Row>& rows) {
  static_assert(sizeof(Row) % sizeof(double) == 0);
  return ToNumbers(env, reinterpret_cast<const double*>(rows.data()), rows.size() * sizeof(Row) / sizeof(double));
}

Napi::Value Threads(const Napi::CallbackInfo& info) {
  const uint32_t count = ThreadNames::Count();
  Napi::Array names = Napi::Array::New(info.Env(), count);
  for (uint32_t i = 0; i < count; i++) {
    const std::string_view name = ThreadNames::At(i);
    names[i] = Napi::String::New(info.Env(), name.data(), name.size());
  }
  return names;
}

template <bool kOnlyLive>
struct SnapshotJob {
  ProfileSnapshot snapshot;

  Failure Read(double old_ms) {
    const int error = Collector::Snapshot(old_ms, kOnlyLive, snapshot);
    return {error, 0, "memory for the profile"};
  }

  Napi::Value ToJs(Napi::Env env) {
    Napi::Object result = Napi::Object::New(env);
    result.Set("seconds", snapshot.seconds);
    result.Set("interval", snapshot.interval);
    result.Set("frames", Rows(env, snapshot.frames));
    result.Set("modules", Rows(env, snapshot.modules));
    result.Set("traces", Rows(env, snapshot.traces));
    result.Set("strings", ToStrings(env, snapshot.strings));
    auto stack = Napi::Uint32Array::New(env, snapshot.stack.size());
    if (!stack.IsEmpty() && snapshot.stack.size() > 0) {
      std::memcpy(stack.Data(), snapshot.stack.data(), snapshot.stack.size() * sizeof(uint32_t));
    }
    result.Set("stack", stack);
    return result;
  }
};

Napi::Value Start(const Napi::CallbackInfo& info) {
  const CollectorOptions options = {info[0].As<Napi::Number>().Uint32Value(), info[1].As<Napi::Number>().Uint32Value()};
  const int error = Collector::Start(options);
  DrawAnew();
  if (error == 0) info.Env().GetInstanceData<ThreadData>()->samples = true;
  return Napi::Number::New(info.Env(), error);
}

void Stop(const Napi::CallbackInfo& info) {
  Collector::Stop();
  info.Env().GetInstanceData<ThreadData>()->samples = false;
}

void SetInterval(const Napi::CallbackInfo& info) {
  Collector::SetInterval(info[0].As<Napi::Number>().Uint32Value());
  DrawAnew();
}

// Null while a snapshot is being taken.
Napi::Value Regions(const Napi::CallbackInfo& info) {
  MappedArray<RegionSums> rows;
  return Collector::Regions(rows) ? Rows(info.Env(), rows) : info.Env().Null();
}

Napi::Value OldBlocks(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), Collector::OldBlocks(info[0].As<Napi::Number>().DoubleValue()));
}

Napi::Value Status(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Napi::Object result = Napi::Object::New(env);
  const auto set = [&result](const char* name, double value) { result.Set(name, value); };
  result.Set("running", Collector::Running());

  const PatchCoverage coverage = SlotPatches::Coverage();
  set("objects", coverage.objects);
  set("slots", coverage.slots);
  set("jumpSlots", coverage.jump_slots);
  set("globDats", coverage.glob_dats);
  set("absolutes", coverage.absolutes);
  set("refused", coverage.refused);
  set("foreign", coverage.foreign);
  set("installMs", static_cast<double>(coverage.nanos) / 1e6);
  result.Set("operators", coverage.operators);
  char provider[256];
  result.Set("provider", std::string(provider, SlotPatches::Provider(provider, sizeof provider)));
  Napi::Array problems = Napi::Array::New(env);
  SlotPatches::Problems(
      [](void* context, std::string_view object, std::string_view reason) {
        auto& list = *static_cast<Napi::Array*>(context);
        Napi::Object problem = Napi::Object::New(list.Env());
        problem.Set("object", std::string(object));
        problem.Set("reason", std::string(reason));
        list[list.Length()] = problem;
      },
      &problems);
  result.Set("unpatched", problems);

  const CollectorStats stats = Collector::Stats();
  set("samples", stats.samples);
  set("liveSamples", stats.live_samples);
  set("liveCapacity", stats.live_capacity);
  set("dropped", stats.dropped);
  set("replaced", stats.replaced);
  set("unmatched", stats.unmatched);
  set("thinned", stats.thinned);
  set("overflows", stats.overflows);
  set("truncated", static_cast<double>(g_sampling.truncated.load()));
  set("partial", static_cast<double>(g_sampling.partial.load()));
  set("jsFallbacks", static_cast<double>(g_sampling.js_fallbacks.load()));
  set("lateDrains", stats.late_drains);

  const UnwindStats unwind = GetUnwindStats();
  set("unwindBytes", static_cast<double>(unwind.bytes));
  set("unwindMs", static_cast<double>(unwind.build_nanos) / 1e6);
  result.Set("nodeKeepsFramePointers", unwind.node_keeps_frame_pointers);
  const CodeMap::Stats code = JsCode().GetStats();
  set("codeEntries", static_cast<double>(code.entries));
  set("codeBytes", static_cast<double>(code.bytes));
  set("codeDropped", static_cast<double>(code.dropped + code.names_dropped + code.evicted_with_file));
  return result;
}

// Begins to listen to the code that this thread's isolate makes. 0 on, 1 already, 2 this V8 cannot.
Napi::Value WatchCode(const Napi::CallbackInfo& info) {
  WatchIsolateOfThisThread();
  return Napi::Number::New(info.Env(), static_cast<double>(EnableJitEvents(info[0].As<Napi::Boolean>().Value())));
}

void NameThread(const Napi::CallbackInfo& info) {
  t_state.name = ThreadNames::Intern(info[0].As<Napi::String>().Utf8Value()) + 1;
}

// The JavaScript functions on the stack of the call, as a sample taken here would have them: the self-test.
__attribute__((noinline)) Napi::Value CaptureStack(const Napi::CallbackInfo& info) {
  const auto frame = reinterpret_cast<uint64_t>(__builtin_frame_address(0));
  const Registers here = {reinterpret_cast<uint64_t>(__builtin_return_address(0)), frame + 16,
                          *reinterpret_cast<const uint64_t*>(frame)};
  uint64_t pcs[kMaxFrames];
  const Walk walk = WalkStack(here, StackEnd(here.sp, t_state.stack), pcs, kMaxFrames);
  CodeMap::Resolved resolved[kMaxFrames];
  JsCode().Resolve(pcs, walk.frames, resolved);
  Napi::Array names = Napi::Array::New(info.Env());
  for (uint32_t i = 0; i < walk.frames; i++) {
    if (resolved[i].name == CodeMap::kNone) continue;
    char buffer[kMaxJsNameBytes + 1];
    const std::string_view name = CopyJsName(JsCode(), resolved[i].name, buffer);
    names[names.Length()] = Napi::String::New(info.Env(), name.data(), name.size());
  }
  return names;
}

}  // namespace

void ExportProfiler(Napi::Env env, Napi::Object exports) {
  exports.Set("startSampling", Napi::Function::New(env, Start, "startSampling"));
  exports.Set("stopSampling", Napi::Function::New(env, Stop, "stopSampling"));
  exports.Set("setSamplingInterval", Napi::Function::New(env, SetInterval, "setSamplingInterval"));
  exports.Set("readSamples", Napi::Function::New(env, AsyncJob<SnapshotJob<false>>::Start, "readSamples"));
  exports.Set("readLiveSamples", Napi::Function::New(env, AsyncJob<SnapshotJob<true>>::Start, "readLiveSamples"));
  exports.Set("readRegionSums", Napi::Function::New(env, Regions, "readRegionSums"));
  exports.Set("oldBlocks", Napi::Function::New(env, OldBlocks, "oldBlocks"));
  exports.Set("samplingStatus", Napi::Function::New(env, Status, "samplingStatus"));
  exports.Set("watchCode", Napi::Function::New(env, WatchCode, "watchCode"));
  exports.Set("threadNames", Napi::Function::New(env, Threads, "threadNames"));
  exports.Set("nameThread", Napi::Function::New(env, NameThread, "nameThread"));
  exports.Set("captureStack", Napi::Function::New(env, CaptureStack, "captureStack"));
  env.AddCleanupHook(
      [](ThreadData* data) {
        if (data->samples) Collector::Stop();
        // The thread goes on allocating after its environment: its hooks must not read what goes with that.
        t_state.region = nullptr;
        ForgetIsolateOfThisThread();
      },
      env.GetInstanceData<ThreadData>());
}

}  // namespace tidemark
