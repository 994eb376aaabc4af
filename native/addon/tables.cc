// Tables: read and parsed on a pool thread, handed to JavaScript as one array of numbers and the strings it refers to.

#include <cerrno>
#include <cstring>

#include "addon/async_job.h"
#include "addon/thread_data.h"
#include "ledger/light_ledger.h"
#include "proc/growth_table.h"
#include "proc/smaps.h"

namespace tidemark {
namespace {

struct SmapsJob {
  SmapsTable table;

  Failure Read(double argument) {
    const auto pid = static_cast<pid_t>(argument);
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

  Failure Read(double argument) {
    const auto pid = static_cast<pid_t>(argument);
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

  Failure Read(double pid) { return ReadLightLedger(static_cast<pid_t>(pid), ledger); }

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
  exports.Set("readSmaps", Napi::Function::New(env, AsyncJob<SmapsJob>::Start, "readSmaps"));
  exports.Set("readGrowth", Napi::Function::New(env, AsyncJob<GrowthJob>::Start, "readGrowth"));
  exports.Set("readLedger", Napi::Function::New(env, AsyncJob<LedgerJob>::Start, "readLedger"));
}

}  // namespace tidemark
