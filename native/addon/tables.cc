// Tables: read and parsed on a pool thread, handed to JavaScript as one array of numbers and the strings it refers to.

#include <napi.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>

#include "addon/thread_data.h"
#include "ledger/light_ledger.h"
#include "proc/growth_table.h"
#include "proc/smaps.h"

namespace tidemark {
namespace {

// Where to write `count` numbers; null where there are none to write, and in a worker that is being terminated, which
// refuses every call but still completes the work that it has begun.
double* NewNumbers(Napi::Env env, size_t count, Napi::Float64Array& numbers) {
  numbers = Napi::Float64Array::New(env, count);
  return numbers.IsEmpty() ? nullptr : numbers.Data();
}

Napi::Float64Array ToNumbers(Napi::Env env, const double* data, size_t count) {
  Napi::Float64Array numbers;
  double* to = NewNumbers(env, count, numbers);
  if (to != nullptr && count > 0) std::memcpy(to, data, count * sizeof(double));
  return numbers;
}

Napi::Array ToStrings(Napi::Env env, const StringTable& table) {
  Napi::Array strings = Napi::Array::New(env, table.size());
  for (uint32_t i = 0; i < table.size(); i++) {
    const std::string_view s = table.At(i);
    strings[i] = Napi::String::New(env, s.data(), s.size());
  }
  return strings;
}

// Runs `Job::Read` off the JS thread and settles a promise with `Job::ToJs`, or with a NativeFailure.
template <class Job>
class TableWorker : public Napi::AsyncWorker {
 public:
  TableWorker(Napi::Env env, pid_t pid, napi_deferred promise)
      : Napi::AsyncWorker(env, "tidemark"), promise_(promise), pid_(pid) {}

  void Execute() override { failure_ = job_.Read(pid_); }

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
    auto worker = std::make_unique<TableWorker>(info.Env(), info[0].As<Napi::Number>().Int32Value(), deferred);
    worker.release()->Queue();
    // NOLINTNEXTLINE(clang-analyzer-cplusplus.NewDeleteLeaks): a worker deletes itself when it is done
    return {info.Env(), promise};
  }

 private:
  napi_deferred promise_;
  pid_t pid_;
  Failure failure_;
  Job job_;
};

struct SmapsJob {
  SmapsTable table;

  Failure Read(pid_t pid) {
    const Failure failure = ReadSmaps(pid, table);
    if (failure) return failure;
    return AssignSmapsOwners(pid, table) ? Failure{} : FailureAt(ProcPath(pid, "smaps"), ENOMEM);
  }

  Napi::Value ToJs(Napi::Env env) {
    static_assert(sizeof(SmapsRow) == kSmapsCells * sizeof(double));
    Napi::Object result = Napi::Object::New(env);
    result.Set("rows", static_cast<double>(table.rows.size()));
    result.Set("cells",
               ToNumbers(env, reinterpret_cast<const double*>(table.rows.data()), table.rows.size() * kSmapsCells));
    result.Set("names", ToStrings(env, table.names));
    result.Set("flags", ToStrings(env, table.flags));
    return result;
  }
};

struct GrowthJob {
  static constexpr size_t kCells = 10;  // src/seam.ts GROWTH_CELLS
  GrowthTable table;
  MappedArray<Owner> owners;

  Failure Read(pid_t pid) {
    const Failure failure = ReadGrowthTable(pid, table);
    if (failure) return failure;
    return AssignGrowthOwners(pid, table, owners) ? Failure{} : FailureAt(ProcPath(pid, "maps"), ENOMEM);
  }

  Napi::Value ToJs(Napi::Env env) {
    const size_t n = table.rows.size();
    Napi::Float64Array cells;
    double* cell = NewNumbers(env, n * kCells, cells);
    for (size_t i = 0; cell != nullptr && i < n; i++) {
      const GrowthRow& row = table.rows[i];
      *cell++ = static_cast<double>(row.map.start);
      *cell++ = static_cast<double>(row.map.end);
      *cell++ = row.map.perms;
      *cell++ = static_cast<double>(row.map.offset);
      *cell++ = row.map.device;
      *cell++ = static_cast<double>(row.map.inode);
      *cell++ = row.map.name;
      *cell++ = static_cast<double>(row.anon);
      *cell++ = static_cast<double>(row.swap);
      *cell++ = static_cast<double>(owners[i]);
    }
    Napi::Object result = Napi::Object::New(env);
    result.Set("rows", static_cast<double>(n));
    result.Set("cells", cells);
    result.Set("names", ToStrings(env, table.names));
    result.Set("source", static_cast<double>(table.source));
    return result;
  }
};

struct LedgerJob {
  LightLedger ledger;

  Failure Read(pid_t pid) { return ReadLightLedger(pid, ledger); }

  // rss, anon, file, shmem, swap, mappings, source, then the owners in order.
  Napi::Value ToJs(Napi::Env env) {
    constexpr size_t kOwners = static_cast<size_t>(Owner::kCount);
    double numbers[7 + kOwners] = {ledger.usage.rss,
                                   ledger.usage.anon,
                                   ledger.usage.file,
                                   ledger.shmem,
                                   ledger.swap,
                                   static_cast<double>(ledger.mappings),
                                   static_cast<double>(ledger.source)};
    std::memcpy(numbers + 7, ledger.bytes, sizeof ledger.bytes);
    return ToNumbers(env, numbers, 7 + kOwners);
  }
};

}  // namespace

void ExportTables(Napi::Env env, Napi::Object exports) {
  exports.Set("readSmaps", Napi::Function::New(env, TableWorker<SmapsJob>::Start, "readSmaps"));
  exports.Set("readGrowth", Napi::Function::New(env, TableWorker<GrowthJob>::Start, "readGrowth"));
  exports.Set("readLedger", Napi::Function::New(env, TableWorker<LedgerJob>::Start, "readLedger"));
}

}  // namespace tidemark
