// The addon: registers every surface for each JS thread that loads it.

#include <memory>

#include "addon/thread_data.h"

namespace tidemark {
namespace {

Napi::Object Initialize(Napi::Env env, Napi::Object exports) {
  auto data = std::make_unique<ThreadData>();
  data->out = data->nowhere;
  data->region = &data->no_region;
  env.SetInstanceData(data.release());  // deleted with the environment
  ExportHotReadings(env, exports);
  ExportTables(env, exports);
  ExportProfiler(env, exports);
  ExportMachine(env, exports);
  ExportAllocator(env, exports);
  return exports;
}

}  // namespace
}  // namespace tidemark

static Napi::Object Init(Napi::Env env, Napi::Object exports) { return tidemark::Initialize(env, exports); }

NODE_API_MODULE(tidemark, Init)
