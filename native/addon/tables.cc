// Tables: read and parsed on a pool thread, handed to JavaScript as one array of numbers and the strings it refers to.

#include <cerrno>
#include <cstring>

#include "addon/async_job.h"
#include "addon/thread_data.h"
#include "ledger/ledger.h"
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

template <Depth kDepth>
struct LedgerJob {
  Ledger ledger;

  Failure Read(double pid) { return ReadLedger(static_cast<pid_t>(pid), kDepth, ledger); }

  // src/seam.ts LEDGER and ARENA_CELLS.
  Napi::Value ToJs(Napi::Env env) {
    const HeapSums& heaps = ledger.anonymous.heaps;
    const double numbers[] = {ledger.usage.rss,
                              ledger.usage.anon,
                              ledger.usage.file,
                              ledger.shmem,
                              ledger.swap,
                              static_cast<double>(ledger.mappings),
                              static_cast<double>(ledger.source),
                              ledger.moved,
                              ledger.cpu_nanos / 1e6,
                              ledger.walked ? 1.0 : 0.0,
                              static_cast<double>(ledger.anonymous.blocks),
                              static_cast<double>(ledger.anonymous.blocks_virtual),
                              static_cast<double>(ledger.anonymous.blocks_resident),
                              static_cast<double>(ledger.allocator),
                              ledger.counters.live,
                              ledger.counters.metadata,
                              ledger.counters.releasable};
    constexpr size_t kNumbers = sizeof numbers / sizeof *numbers;
    Napi::Float64Array cells;
    double* cell = NewNumbers(env, kNumbers + static_cast<size_t>(Owner::kCount), cells);
    if (cell != nullptr) {
      std::memcpy(cell, numbers, sizeof numbers);
      std::memcpy(cell + kNumbers, ledger.bytes, sizeof ledger.bytes);
    }
    constexpr size_t kArenaCells = 11;
    const bool mapped = heaps.chunks > 0;
    Napi::Float64Array arenas;
    cell = NewNumbers(env, (ledger.arenas.size() + mapped) * kArenaCells, arenas);
    const auto add = [&cell](uint64_t address, uint64_t count, const HeapSums& sums) {
      for (const uint64_t value : {address, count, sums.chunks, sums.free_chunks, sums.live, sums.free, sums.top,
                                   sums.trimmable, sums.trimmable_top, sums.lost, sums.live_virtual}) {
        *cell++ = static_cast<double>(value);
      }
    };
    if (cell != nullptr) {
      for (const ArenaSums& arena : ledger.arenas) add(arena.address, arena.heaps, arena.sums);
      if (mapped) add(0, 0, heaps);
    }
    Napi::Object result = Napi::Object::New(env);
    result.Set("cells", cells);
    result.Set("arenas", arenas);
    return result;
  }
};

}  // namespace

void ExportTables(Napi::Env env, Napi::Object exports) {
  exports.Set("readSmaps", Napi::Function::New(env, AsyncJob<SmapsJob>::Start, "readSmaps"));
  exports.Set("readGrowth", Napi::Function::New(env, AsyncJob<GrowthJob>::Start, "readGrowth"));
  exports.Set("readLedger", Napi::Function::New(env, AsyncJob<LedgerJob<Depth::kWhole>>::Start, "readLedger"));
  exports.Set("readLightLedger",
              Napi::Function::New(env, AsyncJob<LedgerJob<Depth::kLight>>::Start, "readLightLedger"));
}

}  // namespace tidemark
