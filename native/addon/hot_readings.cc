// Hot readings: no arguments, no result, numbers written to the shared array. About 20 ns above the system call.
// Raw Node-API callbacks: the wrapper's CallbackInfo costs as much as the crossing itself.

#include <malloc.h>
#include <sys/resource.h>

#include <cmath>

#include "addon/machine.h"
#include "addon/out_slots.h"
#include "addon/thread_data.h"
#include "hooks/thread_state.h"
#include "proc/rusage.h"
#include "proc/statm.h"
#include "stack/gc_state.h"

namespace tidemark {
namespace {

static_assert(sizeof(ThreadData::nowhere) == kOutLength * sizeof(double));
static_assert(sizeof(ResourceUsage) == (kOutMallocInUse - kOutRusage) * sizeof(double));

ThreadData& DataOf(napi_env env) {
  void* data = nullptr;
  napi_get_instance_data(env, &data);
  return *static_cast<ThreadData*>(data);
}

void WriteUsage(double* out) {
  Usage usage;
  const int error = ReadOwnUsage(usage);
  out[kOutErrno] = error;
  if (error != 0) return;
  out[kOutRss] = usage.rss;
  out[kOutAnon] = usage.anon;
  out[kOutFile] = usage.file;
}

void WriteRusage(int who, double* out) {
  // Same layout on both sides, see the assertion above.
  ReadResourceUsage(who, *reinterpret_cast<ResourceUsage*>(out + kOutRusage));
  out[kOutErrno] = 0;
}

napi_value ReadUsageCallback(napi_env env, napi_callback_info) {
  WriteUsage(DataOf(env).out);
  return nullptr;
}

template <int kWho>
napi_value ReadRusageCallback(napi_env env, napi_callback_info) {
  WriteRusage(kWho, DataOf(env).out);
  return nullptr;
}

napi_value ReadRegionEdgeCallback(napi_env env, napi_callback_info) {
  double* out = DataOf(env).out;
  WriteRusage(RUSAGE_THREAD, out);
  WriteUsage(out);
  return nullptr;
}

napi_value ReadExternalCallback(napi_env env, napi_callback_info) {
  int64_t external = 0;
  napi_adjust_external_memory(env, 0, &external);
  double* out = DataOf(env).out;
  out[kOutErrno] = 0;
  out[kOutExternal] = static_cast<double>(external);
  return nullptr;
}

napi_value ReadMallocCallback(napi_env env, napi_callback_info) {
  double* out = DataOf(env).out;
  out[kOutErrno] = 0;
  MallocInfo info;
  if (!ReadMallocInfo(info)) info = {NAN, NAN, NAN, NAN};
  out[kOutMallocInUse] = info.in_use;
  out[kOutMallocFree] = info.free;
  out[kOutMallocArenas] = info.arenas;
  out[kOutMallocMapped] = info.mapped;
  return nullptr;
}

// Counts from the first call on this thread.
napi_value ReadMajorGcsCallback(napi_env env, napi_callback_info) {
  WatchIsolateOfThisThread();
  MajorCollections majors;
  const bool known = GetMajorCollections(majors);
  double* out = DataOf(env).out;
  out[kOutErrno] = 0;
  out[kOutMajorGcs] = known ? static_cast<double>(majors.count) : NAN;
  out[kOutUsedAfterMajorGc] = known ? static_cast<double>(majors.used_after) : NAN;
  return nullptr;
}

void Export(Napi::Env env, Napi::Object exports, const char* name, napi_callback callback) {
  napi_value function = nullptr;
  if (napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, nullptr, &function) == napi_ok) {
    exports.Set(name, Napi::Value(env, function));
  }
}

void Share(const Napi::CallbackInfo& info) {
  ThreadData& data = DataOf(info.Env());
  if (!info[0].IsTypedArray() || !info[1].IsTypedArray()) {
    Napi::TypeError::New(info.Env(), "share(out: Float64Array, region: Int32Array)").ThrowAsJavaScriptException();
    return;
  }
  auto out = info[0].As<Napi::Float64Array>();
  auto region = info[1].As<Napi::Int32Array>();
  if (out.TypedArrayType() != napi_float64_array || out.ElementLength() < kOutLength ||
      region.TypedArrayType() != napi_int32_array || region.ElementLength() < 1) {
    Napi::TypeError::New(info.Env(), "share(): wrong type or too short").ThrowAsJavaScriptException();
    return;
  }
  data.out_reference = Napi::Persistent(out);
  data.region_reference = Napi::Persistent(region);
  data.out = out.Data();
  data.region = region.Data();
  t_state.region = data.region;
}

Napi::Value CurrentRegion(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), *DataOf(info.Env()).region);
}

}  // namespace

void ExportHotReadings(Napi::Env env, Napi::Object exports) {
  Export(env, exports, "readUsage", ReadUsageCallback);
  Export(env, exports, "readRusageSelf", ReadRusageCallback<RUSAGE_SELF>);
  Export(env, exports, "readRusageThread", ReadRusageCallback<RUSAGE_THREAD>);
  Export(env, exports, "readRusageChildren", ReadRusageCallback<RUSAGE_CHILDREN>);
  Export(env, exports, "readRegionEdge", ReadRegionEdgeCallback);
  Export(env, exports, "readExternal", ReadExternalCallback);
  Export(env, exports, "readMalloc", ReadMallocCallback);
  Export(env, exports, "readMajorGcs", ReadMajorGcsCallback);
  exports.Set("share", Napi::Function::New(env, Share, "share"));
  exports.Set("currentRegion", Napi::Function::New(env, CurrentRegion, "currentRegion"));
}

}  // namespace tidemark
