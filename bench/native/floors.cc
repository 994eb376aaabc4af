// What a reading cannot cost less than: the system calls themselves, timed natively in the process that is measured,
// and an empty call into an addon. Also the memory that gives a process its size.
// Raw Node-API callbacks, as in the addon that is measured: a wrapper would make the empty call dearer.

#include <fcntl.h>
#include <node_api.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "base/unique_fd.h"
#include "ledger/ledger.h"
#include "proc/growth_table.h"
#include "proc/smaps.h"

namespace tidemark {
namespace {

double Now() noexcept {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

double CpuNow() noexcept {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

// The numbers that a function was called with.
struct Arguments {
  double value[2] = {};

  Arguments(napi_env env, napi_callback_info info) noexcept {
    size_t count = 2;
    napi_value values[2];
    napi_get_cb_info(env, info, &count, values, nullptr, nullptr);
    for (size_t i = 0; i < count && i < 2; i++) napi_get_value_double(env, values[i], &value[i]);
  }
};

// A duration is -1 where the system call failed.
napi_value ToJs(napi_env env, double nanos) noexcept {
  napi_value result = nullptr;
  napi_create_double(env, nanos, &result);
  return result;
}

napi_value Noop(napi_env, napi_callback_info) { return nullptr; }

napi_value PreadStatm(napi_env env, napi_callback_info info) {
  const auto calls = static_cast<int64_t>(Arguments(env, info).value[0]);
  const UniqueFd fd(open("/proc/self/statm", O_RDONLY | O_CLOEXEC));
  char text[128];
  const double began = Now();
  for (int64_t i = 0; i < calls; i++) {
    if (pread(fd.get(), text, sizeof text, 0) <= 0) return ToJs(env, -1);
  }
  return ToJs(env, (Now() - began) / static_cast<double>(calls));
}

template <int kWho>
napi_value Getrusage(napi_env env, napi_callback_info info) {
  const auto calls = static_cast<int64_t>(Arguments(env, info).value[0]);
  rusage usage;
  const double began = Now();
  for (int64_t i = 0; i < calls; i++) getrusage(kWho, &usage);
  return ToJs(env, (Now() - began) / static_cast<double>(calls));
}

// Opens a table, reads it to its end and closes it: all that the kernel has to do, and nothing else.
bool ReadRaw(pid_t pid, const char* name) noexcept {
  static char text[size_t{64} << 10];
  const UniqueFd fd = OpenProc(ProcPath(pid, name));
  ssize_t got;
  while ((got = read(fd.get(), text, sizeof text)) > 0) continue;
  return got == 0;
}

double RawSmaps(pid_t pid) noexcept {
  const double began = Now();
  return ReadRaw(pid, "smaps") ? Now() - began : -1;
}

// CPU time of the kernel's part of a light ledger of this process: maps, and mincore over what is anonymous and
// writable.
double RawLayout(pid_t) noexcept {
  static unsigned char pages[size_t{64} << 10];
  const uint64_t slice = sizeof pages * PageSize();
  MapsTable maps;
  if (ReadMaps(0, maps)) return -1;
  const double began = CpuNow();
  if (!ReadRaw(0, "maps")) return -1;
  for (size_t i = 0; i < maps.rows.size();) {
    const auto counts = [&](size_t k) {
      const MapsRow& row = maps.rows[k];
      const bool accessible = (row.perms & (kRead | kWrite)) != 0 && (row.perms & kShared) == 0;
      return accessible && row.inode == 0 && (maps.names.At(row.name).empty() || maps.names.At(row.name) == "[heap]");
    };
    const uint64_t start = maps.rows[i].start;
    uint64_t end = maps.rows[i].end;
    const bool is_counted = counts(i++);
    while (is_counted && i < maps.rows.size() && maps.rows[i].start == end && counts(i)) end = maps.rows[i++].end;
    for (uint64_t at = start; is_counted && at < end; at += slice) {
      // NOLINTNEXTLINE(performance-no-int-to-ptr)
      mincore(reinterpret_cast<void*>(at), std::min(slice, end - at), pages);
    }
  }
  return CpuNow() - began;
}

uint64_t OwnRss() noexcept {
  // statm is off by a batch of pages a CPU.
  char text[4096];
  const UniqueFd fd = OpenProc(ProcPath(0, "smaps_rollup"));
  const ssize_t got = read(fd.get(), text, sizeof text - 1);
  if (got <= 0) return 0;
  text[got] = 0;
  const char* rss = strstr(text, "\nRss:");
  return rss == nullptr ? 0 : strtoull(rss + 5, nullptr, 10) * 1024;
}

// By how many bytes RSS differs after a whole ledger, either way.
double RssMovedByLedger(pid_t pid) noexcept {
  const uint64_t before = OwnRss();
  Ledger ledger;
  if (before == 0 || ReadLedger(pid, Depth::kWhole, ledger)) return -1;
  return std::fabs(static_cast<double>(OwnRss()) - static_cast<double>(before));
}

double ParsedSmaps(pid_t pid) noexcept {
  const double began = Now();
  {
    SmapsTable table;
    if (ReadSmaps(pid, table) || !AssignSmapsOwners(pid, table)) return -1;
  }
  return Now() - began;
}

double ParsedGrowth(pid_t pid) noexcept {
  const double began = Now();
  {
    GrowthTable table;
    MappedArray<Owner> owners;
    if (ReadGrowthTable(pid, table) || !AssignGrowthOwners(pid, table, owners)) return -1;
  }
  return Now() - began;
}

template <double (*kRead)(pid_t)>
napi_value Timed(napi_env env, napi_callback_info info) {
  return ToJs(env, kRead(static_cast<pid_t>(Arguments(env, info).value[0])));
}

// The same work on a pool thread, as the tables of the addon are read.
struct PoolWork {
  pid_t pid;
  napi_async_work work;
  napi_deferred deferred;
};

napi_value RawSmapsOnPool(napi_env env, napi_callback_info info) {
  auto* job = new PoolWork{static_cast<pid_t>(Arguments(env, info).value[0]), nullptr, nullptr};
  napi_value promise = nullptr;
  napi_value name = nullptr;
  napi_create_promise(env, &job->deferred, &promise);
  napi_create_string_utf8(env, "floors", NAPI_AUTO_LENGTH, &name);
  const auto execute = [](napi_env, void* data) { ReadRaw(static_cast<PoolWork*>(data)->pid, "smaps"); };
  const auto complete = [](napi_env at, napi_status, void* data) {
    const auto* done = static_cast<PoolWork*>(data);
    napi_value undefined = nullptr;
    napi_get_undefined(at, &undefined);
    napi_resolve_deferred(at, done->deferred, undefined);
    napi_delete_async_work(at, done->work);
    delete done;
  };
  napi_create_async_work(env, nullptr, name, execute, complete, job, &job->work);
  napi_queue_async_work(env, job->work);
  return promise;
}

// Maps `bytes` of touched 4 KiB pages, then `mappings` touched pages that no two neighbours of can be merged. For ever.
napi_value Fill(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  const auto map = [](size_t bytes) -> char* {
    void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return nullptr;
    // Huge pages would make a walk over them 500 times cheaper, and are not what malloc's memory usually lies in.
    madvise(memory, bytes, MADV_NOHUGEPAGE);
    for (size_t at = 0; at < bytes; at += PageSize()) static_cast<char*>(memory)[at] = 1;
    return static_cast<char*>(memory);
  };
  const auto bytes = static_cast<size_t>(arguments.value[0]);
  const auto mappings = static_cast<size_t>(arguments.value[1]);
  bool filled = bytes == 0 || map(bytes) != nullptr;
  char* pages = mappings == 0 ? nullptr : map(mappings * PageSize());
  filled = filled && (mappings == 0 || pages != nullptr);
  for (size_t i = 0; filled && i < mappings; i += 2) {
    filled = mprotect(pages + i * PageSize(), PageSize(), PROT_READ) == 0;
  }
  napi_value result = nullptr;
  napi_get_boolean(env, filled, &result);
  return result;
}

void Export(napi_env env, napi_value exports, const char* name, napi_callback callback) {
  napi_value function = nullptr;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, nullptr, &function);
  napi_set_named_property(env, exports, name, function);
}

}  // namespace
}  // namespace tidemark

static napi_value Init(napi_env env, napi_value exports) {
  using namespace tidemark;
  Export(env, exports, "noop", Noop);
  Export(env, exports, "preadStatm", PreadStatm);
  Export(env, exports, "getrusageSelf", Getrusage<RUSAGE_SELF>);
  Export(env, exports, "getrusageThread", Getrusage<RUSAGE_THREAD>);
  Export(env, exports, "rawSmaps", Timed<RawSmaps>);
  Export(env, exports, "parsedSmaps", Timed<ParsedSmaps>);
  Export(env, exports, "parsedGrowth", Timed<ParsedGrowth>);
  Export(env, exports, "rawLayout", Timed<RawLayout>);
  Export(env, exports, "rssMovedByLedger", Timed<RssMovedByLedger>);
  Export(env, exports, "rawSmapsOnPool", RawSmapsOnPool);
  Export(env, exports, "fill", Fill);
  return exports;
}

NAPI_MODULE(NODE_GYP_MODULE_NAME, Init)
