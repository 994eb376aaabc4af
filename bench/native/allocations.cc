// What allocations cost: loops of malloc and free timed natively, in CPU time of the threads that run them, in whatever
// process loads this: with tidemark's hooks in this addon's slots, or on top of another allocator and its profiler.

#include <node_api.h>
#include <pthread.h>
#include <time.h>

#include <cstdint>
#include <cstdlib>

namespace {

double CpuNanos() noexcept {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

// The compiler may not take a malloc out together with its free.
void Escape(void* block) noexcept { asm volatile("" : : "r"(block) : "memory"); }

// xorshift: a few cycles, the same in every process.
uint64_t Next(uint64_t& state) noexcept {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

// An operation is a malloc and a free.
double Pair(int64_t operations) noexcept {
  const double began = CpuNanos();
  for (int64_t i = 0; i < operations; i++) {
    void* block = malloc(64);
    Escape(block);
    free(block);
  }
  return CpuNanos() - began;
}

double Batch(int64_t operations) noexcept {
  constexpr int kBlocks = 64;
  void* blocks[kBlocks];
  const double began = CpuNanos();
  for (int64_t i = 0; i < operations; i += kBlocks) {
    for (void*& block : blocks) Escape(block = malloc(256));
    for (void* block : blocks) free(block);
  }
  return CpuNanos() - began;
}

// Sizes evenly from 16 B to 1 KiB; or as many of each power of two, to 64 KiB.
enum class Sizes { kEven, kLogarithmic };

template <Sizes kSizes>
size_t NextSize(uint64_t& random) noexcept {
  const uint64_t r = Next(random);
  if (kSizes == Sizes::kEven) return 16 + (r >> 40) % 1009;
  const size_t power = size_t{16} << (r >> 40) % 12;
  return power + (r >> 8) % power;
}

// A random one of so many live blocks makes way for a new one. Filling and emptying the ring are not timed.
template <int kSlots, Sizes kSizes>
double Ring(int64_t operations) noexcept {
  void** ring = static_cast<void**>(malloc(kSlots * sizeof(void*)));
  uint64_t random = 88172645463325252;
  for (int i = 0; i < kSlots; i++) ring[i] = malloc(NextSize<kSizes>(random));
  const double began = CpuNanos();
  for (int64_t i = 0; i < operations; i++) {
    void*& slot = ring[(Next(random) >> 20) % kSlots];
    free(slot);
    Escape(slot = malloc(NextSize<kSizes>(random)));
  }
  const double nanos = CpuNanos() - began;
  for (int i = 0; i < kSlots; i++) free(ring[i]);
  free(ring);
  return nanos;
}

using Loop = double (*)(int64_t operations) noexcept;

// In the order of MICROS in bench/sampling/allocations.ts.
constexpr Loop kLoops[] = {
    Pair, Batch, Ring<1000, Sizes::kEven>, Ring<200'000, Sizes::kEven>, Ring<1000, Sizes::kLogarithmic>,
};

struct Task {
  Loop loop;
  int64_t operations;
  double nanos;
};

void* RunTask(void* data) {
  auto* task = static_cast<Task*>(data);
  task->nanos = task->loop(task->operations);
  return nullptr;
}

double Argument(napi_env env, napi_callback_info info, size_t which) noexcept {
  size_t count = 3;
  napi_value values[3];
  double value = 0;
  napi_get_cb_info(env, info, &count, values, nullptr, nullptr);
  if (which < count) napi_get_value_double(env, values[which], &value);
  return value;
}

// run(loop, operations, threads): mean CPU nanoseconds of an operation. One thread is the calling one.
napi_value Run(napi_env env, napi_callback_info info) {
  constexpr int kMaxThreads = 64;
  const Loop loop = kLoops[static_cast<size_t>(Argument(env, info, 0))];
  const auto operations = static_cast<int64_t>(Argument(env, info, 1));
  const int threads = static_cast<int>(Argument(env, info, 2));
  double nanos = 0;
  if (threads <= 1) {
    nanos = loop(operations);
  } else {
    pthread_t handles[kMaxThreads];
    Task tasks[kMaxThreads];
    for (int i = 0; i < threads; i++) {
      tasks[i] = {loop, operations / threads, 0};
      pthread_create(&handles[i], nullptr, RunTask, &tasks[i]);
    }
    for (int i = 0; i < threads; i++) {
      pthread_join(handles[i], nullptr);
      nanos += tasks[i].nanos;
    }
  }
  napi_value result = nullptr;
  napi_create_double(env, nanos / static_cast<double>(operations), &result);
  return result;
}

// through(fn): calls fn from native code, so that a stack has both.
napi_value Through(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value function, undefined, result = nullptr;
  napi_get_cb_info(env, info, &count, &function, nullptr, nullptr);
  napi_get_undefined(env, &undefined);
  napi_call_function(env, undefined, function, 0, nullptr, &result);
  return result;
}

// retain(bytes): a block that stays; its pages are not touched.
napi_value Retain(napi_env env, napi_callback_info info) {
  Escape(malloc(static_cast<size_t>(Argument(env, info, 0))));
  return nullptr;
}

}  // namespace

NAPI_MODULE_INIT() {
  const struct {
    const char* name;
    napi_callback call;
  } functions[] = {{"run", Run}, {"through", Through}, {"retain", Retain}};
  for (const auto& [name, call] : functions) {
    napi_value function;
    napi_create_function(env, name, NAPI_AUTO_LENGTH, call, nullptr, &function);
    napi_set_named_property(env, exports, name, function);
  }
  return exports;
}
