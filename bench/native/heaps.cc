// Heaps of a known shape, what else could be asked of them, and what a thread that allocates notices of it. Nothing of
// ours is in here.

#include <malloc.h>
#include <node_api.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

double Nanos(clockid_t clock) noexcept {
  timespec t;
  clock_gettime(clock, &t);
  return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

double Argument(napi_env env, napi_callback_info info, size_t which) noexcept {
  size_t count = 3;
  napi_value values[3];
  double value = 0;
  napi_get_cb_info(env, info, &count, values, nullptr, nullptr);
  if (which < count) napi_get_value_double(env, values[which], &value);
  return value;
}

napi_value ToJs(napi_env env, double value) noexcept {
  napi_value result = nullptr;
  napi_create_double(env, value, &result);
  return result;
}

// xorshift: the same heap in every process.
uint64_t Next(uint64_t& state) noexcept {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

// fill(blocks, mean, freed): so many blocks, from half of `mean` bytes to one and a half, all of their pages touched;
// then every `freed`th one is freed, none for 0. For ever. False when memory ran out.
napi_value Fill(napi_env env, napi_callback_info info) {
  const auto count = static_cast<size_t>(Argument(env, info, 0));
  const auto mean = static_cast<size_t>(Argument(env, info, 1));
  const auto freed = static_cast<size_t>(Argument(env, info, 2));
  // Not from the heap that it describes.
  void* memory = mmap(nullptr, count * sizeof(void*), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  bool filled = memory != MAP_FAILED;
  void** blocks = static_cast<void**>(memory);
  uint64_t random = 88172645463325252;
  for (size_t i = 0; filled && i < count; i++) {
    const size_t size = mean / 2 + (Next(random) >> 20) % mean;
    blocks[i] = malloc(size);
    filled = blocks[i] != nullptr;
    if (filled) std::memset(blocks[i], 1, size);
  }
  for (size_t i = 0; filled && freed != 0 && i < count; i += freed) free(blocks[i]);
  if (memory != MAP_FAILED) munmap(memory, count * sizeof(void*));
  napi_value result = nullptr;
  napi_get_boolean(env, filled, &result);
  return result;
}

// mallinfo(): CPU nanoseconds of mallinfo2, which visits every free chunk and holds the arena's lock meanwhile.
napi_value Mallinfo(napi_env env, napi_callback_info) {
  const double began = Nanos(CLOCK_THREAD_CPUTIME_ID);
  mallinfo2();
  return ToJs(env, Nanos(CLOCK_THREAD_CPUTIME_ID) - began);
}

// The same on a pool thread.
struct PoolWork {
  napi_async_work work;
  napi_deferred deferred;
};

napi_value MallinfoOnPool(napi_env env, napi_callback_info) {
  auto* job = new PoolWork{};
  napi_value promise = nullptr;
  napi_value name = nullptr;
  napi_create_promise(env, &job->deferred, &promise);
  napi_create_string_utf8(env, "heaps", NAPI_AUTO_LENGTH, &name);
  const auto execute = [](napi_env, void*) { mallinfo2(); };
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

void CopyByHand(void* to, uintptr_t from, size_t size) noexcept {
  std::memcpy(to, reinterpret_cast<const void*>(from), size);  // NOLINT(performance-no-int-to-ptr)
}

void CopyByKernel(void* to, uintptr_t from, size_t size) noexcept {
  const iovec local = {to, size};
  const iovec remote = {reinterpret_cast<void*>(from), size};  // NOLINT(performance-no-int-to-ptr)
  process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
}

// CPU nanoseconds of a copy of the brk heap, a block at a time; -1 where there is none.
template <void (*kCopy)(void*, uintptr_t, size_t) noexcept>
napi_value Copy(napi_env env, napi_callback_info) {
  constexpr size_t kBlock = size_t{1} << 20;
  static char block[kBlock];
  FILE* maps = fopen("/proc/self/maps", "re");
  if (maps == nullptr) return ToJs(env, -1);
  char line[4096];
  uintptr_t start = 0;
  while (start == 0 && fgets(line, sizeof line, maps) != nullptr) {
    if (strstr(line, "[heap]") != nullptr) sscanf(line, "%" SCNxPTR, &start);
  }
  fclose(maps);
  if (start == 0) return ToJs(env, -1);
  const auto end = reinterpret_cast<uintptr_t>(sbrk(0));
  const double began = Nanos(CLOCK_THREAD_CPUTIME_ID);
  for (uintptr_t at = start; at < end; at += kBlock) {
    kCopy(block, at, std::min<size_t>(kBlock, end - at));
    asm volatile("" : : "r"(block) : "memory");
  }
  return ToJs(env, Nanos(CLOCK_THREAD_CPUTIME_ID) - began);
}

// longestMalloc(milliseconds): nanoseconds of the longest malloc, or free, of a thread that does nothing else. The
// blocks are too large for the thread's own cache: each call takes the arena's lock.
napi_value LongestMalloc(napi_env env, napi_callback_info info) {
  constexpr size_t kRing = 64;
  void* ring[kRing] = {};
  uint64_t random = 88172645463325252;
  double longest = 0;
  double before = Nanos(CLOCK_MONOTONIC);
  const double until = before + Argument(env, info, 0) * 1e6;
  for (size_t i = 0; before < until; i = (i + 1) % kRing) {
    free(ring[i]);
    ring[i] = malloc(2048 + (Next(random) >> 20) % 8192);
    const double now = Nanos(CLOCK_MONOTONIC);
    longest = std::max(longest, now - before);
    before = now;
  }
  for (void* block : ring) free(block);
  return ToJs(env, longest);
}

}  // namespace

NAPI_MODULE_INIT() {
  const struct {
    const char* name;
    napi_callback call;
  } functions[] = {{"fill", Fill},
                   {"mallinfo", Mallinfo},
                   {"mallinfoOnPool", MallinfoOnPool},
                   {"copy", Copy<CopyByHand>},
                   {"copyByKernel", Copy<CopyByKernel>},
                   {"longestMalloc", LongestMalloc}};
  for (const auto& [name, call] : functions) {
    napi_value function;
    napi_create_function(env, name, NAPI_AUTO_LENGTH, call, nullptr, &function);
    napi_set_named_property(env, exports, name, function);
  }
  return exports;
}
