// Work on a pool thread that settles a promise, and how its columns become JavaScript's.
#pragma once

#include <napi.h>

#include <cstring>
#include <memory>

#include "base/string_table.h"
#include "proc/proc_file.h"

namespace tidemark {

// Where to write `count` numbers; null where there are none to write, and in a worker that is being terminated, which
// refuses every call but still completes the work that it has begun.
inline double* NewNumbers(Napi::Env env, size_t count, Napi::Float64Array& numbers) {
  numbers = Napi::Float64Array::New(env, count);
  return numbers.IsEmpty() ? nullptr : numbers.Data();
}

inline Napi::Float64Array ToNumbers(Napi::Env env, const double* data, size_t count) {
  Napi::Float64Array numbers;
  double* to = NewNumbers(env, count, numbers);
  if (to != nullptr && count > 0) std::memcpy(to, data, count * sizeof(double));
  return numbers;
}

inline Napi::Array ToStrings(Napi::Env env, const StringTable& table) {
  Napi::Array strings = Napi::Array::New(env, table.size());
  for (uint32_t i = 0; i < table.size(); i++) {
    const std::string_view s = table.At(i);
    strings[i] = Napi::String::New(env, s.data(), s.size());
  }
  return strings;
}

// Runs `Job::Read` with the call's one number off the JS thread, and settles a promise with `Job::ToJs`, or with a
// NativeFailure.
template <class Job>
class AsyncJob : public Napi::AsyncWorker {
 public:
  AsyncJob(Napi::Env env, double argument, napi_deferred promise)
      : Napi::AsyncWorker(env, "tidemark"), promise_(promise), argument_(argument) {}

  void Execute() override { failure_ = job_.Read(argument_); }

  void OnOK() override {
    Napi::HandleScope scope(Env());
    if (!failure_) {
      napi_resolve_deferred(Env(), promise_, job_.ToJs(Env()));
      return;
    }
    Napi::Object failure = Napi::Object::New(Env());
    failure.Set("errno", failure_.error);
    failure.Set("what", failure_.what);
    failure.Set("line", static_cast<double>(failure_.line));
    napi_reject_deferred(Env(), promise_, failure);
  }

  static Napi::Value Start(const Napi::CallbackInfo& info) {
    napi_deferred deferred = nullptr;
    napi_value promise = nullptr;
    // Not Napi::Promise::Deferred: where this is refused, in a worker that is being terminated, that gives back a
    // promise that was never set, and Node dies of it.
    if (napi_create_promise(info.Env(), &deferred, &promise) != napi_ok) return {};
    auto worker = std::make_unique<AsyncJob>(info.Env(), info[0].As<Napi::Number>().DoubleValue(), deferred);
    worker.release()->Queue();
    // NOLINTNEXTLINE(clang-analyzer-cplusplus.NewDeleteLeaks): a worker deletes itself when it is done
    return {info.Env(), promise};
  }

 private:
  napi_deferred promise_;
  double argument_;
  Failure failure_;
  Job job_;
};

}  // namespace tidemark
