// What the addon keeps for one JS thread (one Node-API environment).
#pragma once

#include <napi.h>

#include <cstdint>

namespace tidemark {

struct ThreadData {
  // Shared with JavaScript by share(); the references keep the memory alive, the pointers stay put because neither
  // array is ever transferred.
  double* out = nullptr;
  int32_t* region = nullptr;
  Napi::Reference<Napi::Float64Array> out_reference;
  Napi::Reference<Napi::Int32Array> region_reference;
  // Where readings go before share(), so that a hot reading needs no check.
  double nowhere[24] = {};
  int32_t no_region = 0;
  // This thread started the sampling session, which ends with it.
  bool samples = false;
};

// One file of the addon a surface; each adds its functions to the exports.
void ExportHotReadings(Napi::Env env, Napi::Object exports);
void ExportTables(Napi::Env env, Napi::Object exports);
void ExportProfiler(Napi::Env env, Napi::Object exports);
void ExportMachine(Napi::Env env, Napi::Object exports);
void ExportAllocator(Napi::Env env, Napi::Object exports);

}  // namespace tidemark
