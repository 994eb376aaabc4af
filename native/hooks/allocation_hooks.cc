#include "hooks/allocation_hooks.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>

#include "hooks/hooked_functions.h"
#include "hooks/sampling_session.h"
#include "hooks/thread_names.h"
#include "hooks/thread_state.h"
#include "sampling/poisson.h"
#include "stack/js_fallback.h"
#include "stack/walk.h"

namespace tidemark {

__thread ThreadState t_state TIDEMARK_STATIC_TLS;
SamplingSession g_sampling;
std::atomic<void (*)() noexcept> g_after_dlopen{nullptr};

namespace {

// A thread that may not sample looks again after so many bytes.
constexpr size_t kIdleGap = size_t{16} << 20;

// The registers of a hook's caller, as they are when the hook returns to it. A macro, because it must expand in the
// function whose caller is meant; asking for the frame address makes the compiler give that function a frame pointer.
#if defined(__aarch64__)
#define TIDEMARK_CALLER()                                                                                       \
  Registers {                                                                                                   \
    reinterpret_cast<uint64_t>(__builtin_return_address(0)), reinterpret_cast<uint64_t>(__builtin_dwarf_cfa()), \
        *static_cast<const uint64_t*>(__builtin_frame_address(0))                                               \
  }
#else
#define TIDEMARK_CALLER()                                            \
  Registers {                                                        \
    reinterpret_cast<uint64_t>(__builtin_return_address(0)),         \
        reinterpret_cast<uint64_t>(__builtin_frame_address(0)) + 16, \
        *static_cast<const uint64_t*>(__builtin_frame_address(0))    \
  }
#endif
#define TIDEMARK_SLOW __attribute__((noinline, cold))

// The interval at which this allocation, which is not short of the thread's mark, is a sample; 0 when it is none.
uint32_t Draw(ThreadState& t, size_t size) noexcept {
  const uint32_t in_force = g_sampling.interval.load(std::memory_order_relaxed);
  if (in_force == 0) {
    t.countdown.Idle(kIdleGap);
    return 0;
  }
  if (t.countdown.rng == 0)
    t.countdown.rng =
        SeedFor(static_cast<uint64_t>(syscall(SYS_gettid)), g_sampling.started_nanos.load(std::memory_order_relaxed));
  const uint32_t interval = t.countdown.Sampled(size, in_force);
  return t.busy ? 0 : interval;
}

// Puts the JavaScript part where the walk did not get: what V8 says, after what the walk found below it.
size_t AddJsFrames(const Registers& caller, uint64_t* pcs, size_t found) noexcept {
  uint64_t js[kMaxFrames];
  const size_t count = JsFrames(caller, js, kMaxFrames);
  size_t matched = 0;
  size_t keep = found;
  for (size_t i = 0; i < found && matched < count; i++) {
    if (pcs[i] != js[matched]) continue;
    if (matched == 0) keep = i;
    matched++;
  }
  // The walk went through all of it.
  if (matched == count) return found;
  g_sampling.js_fallbacks.fetch_add(1, std::memory_order_relaxed);
  size_t frames = keep;
  for (size_t i = 0; i < count && frames < kMaxFrames; i++) pcs[frames++] = js[i];
  return frames;
}

void Record(ThreadState& t, void* block, size_t size, uint32_t interval, const Registers& caller) noexcept {
  if (block == nullptr) return;
  const int error = errno;
  t.busy = true;
  if (t.name == 0) t.name = ThreadNames::OfThisThread() + 1;

  uint64_t pcs[kMaxFrames];
  const Walk walk = WalkStack(caller, StackEnd(caller.sp, t.stack), pcs, kMaxFrames);
  size_t frames = walk.frames;
  uint16_t flags = walk.end == WalkEnd::kTruncated ? kTraceTruncated : 0;
  if (flags != 0) g_sampling.truncated.fetch_add(1, std::memory_order_relaxed);
  if (walk.guessed || (walk.end != WalkEnd::kBottom && walk.end != WalkEnd::kTruncated)) {
    flags |= kTracePartial;
    g_sampling.partial.fetch_add(1, std::memory_order_relaxed);
    frames = AddJsFrames(caller, pcs, frames);
  }

  const uint32_t region = t.region == nullptr ? 0 : static_cast<uint32_t>(__atomic_load_n(t.region, __ATOMIC_RELAXED));
  const TraceKey key = {pcs, static_cast<uint16_t>(frames), flags, region, t.name - 1};
  const TraceTable::Ticket ticket = g_sampling.traces.Begin();
  const uint32_t trace = g_sampling.traces.Add(ticket, key, size, interval);
  if (trace != TraceTable::kNone) {
    LiveSample sample = {};
    sample.address = reinterpret_cast<uint64_t>(block);
    sample.size = size;
    sample.trace = trace;
    sample.interval = interval;
    sample.time_ds = static_cast<uint32_t>(
        (SessionClockNanos() - g_sampling.started_nanos.load(std::memory_order_relaxed)) / 100'000'000);
    sample.id = g_sampling.next_id.fetch_add(1, std::memory_order_relaxed);
    g_sampling.live.Insert(sample);
  }
  g_sampling.traces.End(ticket);
  if (g_sampling.traces.NearlyFull() || g_sampling.LiveNearlyFull()) WakeCollector();
  t.busy = false;
  errno = error;
}

bool Multiply(size_t a, size_t b, size_t& product) noexcept { return !__builtin_mul_overflow(a, b, &product); }

// One slow path a signature. Each draws first, so that a function that throws leaves the thread's state in order, then
// calls the real function, then records.
#define TIDEMARK_SLOW_ALLOCATION(size, call)                                    \
  const uint32_t interval = Draw(t_state, size);                                \
  void* const block = call;                                                     \
  if (interval != 0) Record(t_state, block, size, interval, TIDEMARK_CALLER()); \
  return block;

TIDEMARK_SLOW void* SlowMalloc(size_t size){TIDEMARK_SLOW_ALLOCATION(size, g_real.malloc(size))} TIDEMARK_SLOW
    void* SlowCalloc(size_t count,
                     size_t each){TIDEMARK_SLOW_ALLOCATION(count * each, g_real.calloc(count, each))} TIDEMARK_SLOW
    void* SlowAlignedAlloc(size_t alignment, size_t size){
        TIDEMARK_SLOW_ALLOCATION(size, g_real.aligned_alloc(alignment, size))} TIDEMARK_SLOW
    void* SlowMemalign(size_t alignment,
                       size_t size){TIDEMARK_SLOW_ALLOCATION(size, g_real.memalign(alignment, size))} TIDEMARK_SLOW
    void* SlowValloc(size_t size){TIDEMARK_SLOW_ALLOCATION(size, g_real.valloc(size))} TIDEMARK_SLOW
    void* SlowPvalloc(size_t size){TIDEMARK_SLOW_ALLOCATION(size, g_real.pvalloc(size))} TIDEMARK_SLOW
    void* SlowNew(size_t size){TIDEMARK_SLOW_ALLOCATION(size, g_real.new_one(size))} TIDEMARK_SLOW
    void* SlowNewArray(size_t size){TIDEMARK_SLOW_ALLOCATION(size, g_real.new_array(size))} TIDEMARK_SLOW
    void* SlowNewNothrow(size_t size, const void* tag){
        TIDEMARK_SLOW_ALLOCATION(size, g_real.new_one_nothrow(size, tag))} TIDEMARK_SLOW
    void* SlowNewArrayNothrow(size_t size, const void* tag){
        TIDEMARK_SLOW_ALLOCATION(size, g_real.new_array_nothrow(size, tag))} TIDEMARK_SLOW
    void* SlowNewAligned(size_t size, size_t alignment){
        TIDEMARK_SLOW_ALLOCATION(size, g_real.new_one_aligned(size, alignment))} TIDEMARK_SLOW
    void* SlowNewArrayAligned(size_t size, size_t alignment){
        TIDEMARK_SLOW_ALLOCATION(size, g_real.new_array_aligned(size, alignment))}

TIDEMARK_SLOW int SlowPosixMemalign(void** out, size_t alignment, size_t size) {
  const uint32_t interval = Draw(t_state, size);
  const int result = g_real.posix_memalign(out, alignment, size);
  if (interval != 0 && result == 0) Record(t_state, *out, size, interval, TIDEMARK_CALLER());
  return result;
}

// A realloc is a free and an allocation of the whole new size: look, call, and only when the block was really given
// back take its sample away, by its id, because another thread may have been given the address by then. A realloc that
// fails leaves the old block, and its sample, as they were.
TIDEMARK_SLOW void* SlowRealloc(void* old, size_t size) {
  ThreadState& t = t_state;
  const uint32_t interval = t.countdown.Passes(size) ? 0 : Draw(t, size);
  LiveSample seen;
  const bool was_sampled =
      old != nullptr && LiveSet::MightHold(old) && g_sampling.live.Peek(reinterpret_cast<uint64_t>(old), seen);
  void* const block = g_real.realloc(old, size);
  if (block == nullptr && size != 0) return nullptr;
  if (was_sampled) g_sampling.live.RemoveIf(seen.address, seen.id);
  if (interval != 0) Record(t, block, size, interval, TIDEMARK_CALLER());
  return block;
}

// Untracked before the real free: afterwards another thread may have been given the address and recorded it, and the
// newcomer would be taken away.
TIDEMARK_SLOW void Untrack(void* block) {
  const int error = errno;
  LiveSample removed;
  g_sampling.live.Remove(reinterpret_cast<uint64_t>(block), removed);
  errno = error;
}
TIDEMARK_SLOW void SlowFree(void* block) {
  Untrack(block);
  g_real.free(block);
}

// The fast paths. Every call in them is a tail call.
#define TIDEMARK_FAST_ALLOCATION(size, real, slow) \
  if (t_state.countdown.Passes(size)) [[likely]] { \
    return real;                                   \
  }                                                \
  return slow;

void* HookMalloc(size_t size) { TIDEMARK_FAST_ALLOCATION(size, g_real.malloc(size), SlowMalloc(size)) }
void* HookCalloc(size_t count, size_t each) {
  size_t size;
  // It fails by itself.
  if (!Multiply(count, each, size)) [[unlikely]]
    return g_real.calloc(count, each);
  TIDEMARK_FAST_ALLOCATION(size, g_real.calloc(count, each), SlowCalloc(count, each))
}
void* HookAlignedAlloc(size_t alignment, size_t size) {
  TIDEMARK_FAST_ALLOCATION(size, g_real.aligned_alloc(alignment, size), SlowAlignedAlloc(alignment, size))
}
void* HookMemalign(size_t alignment, size_t size) {
  TIDEMARK_FAST_ALLOCATION(size, g_real.memalign(alignment, size), SlowMemalign(alignment, size))
}
void* HookValloc(size_t size) { TIDEMARK_FAST_ALLOCATION(size, g_real.valloc(size), SlowValloc(size)) }
void* HookPvalloc(size_t size) { TIDEMARK_FAST_ALLOCATION(size, g_real.pvalloc(size), SlowPvalloc(size)) }
int HookPosixMemalign(void** out, size_t alignment, size_t size) {
  TIDEMARK_FAST_ALLOCATION(size, g_real.posix_memalign(out, alignment, size), SlowPosixMemalign(out, alignment, size))
}
void* HookNew(size_t size) { TIDEMARK_FAST_ALLOCATION(size, g_real.new_one(size), SlowNew(size)) }
void* HookNewArray(size_t size) { TIDEMARK_FAST_ALLOCATION(size, g_real.new_array(size), SlowNewArray(size)) }
void* HookNewNothrow(size_t size, const void* tag) {
  TIDEMARK_FAST_ALLOCATION(size, g_real.new_one_nothrow(size, tag), SlowNewNothrow(size, tag))
}
void* HookNewArrayNothrow(size_t size, const void* tag) {
  TIDEMARK_FAST_ALLOCATION(size, g_real.new_array_nothrow(size, tag), SlowNewArrayNothrow(size, tag))
}
void* HookNewAligned(size_t size, size_t alignment) {
  TIDEMARK_FAST_ALLOCATION(size, g_real.new_one_aligned(size, alignment), SlowNewAligned(size, alignment))
}
void* HookNewArrayAligned(size_t size, size_t alignment) {
  TIDEMARK_FAST_ALLOCATION(size, g_real.new_array_aligned(size, alignment), SlowNewArrayAligned(size, alignment))
}

void* HookRealloc(void* old, size_t size) {
  if (!LiveSet::MightHold(old) && t_state.countdown.Passes(size)) [[likely]]
    return g_real.realloc(old, size);
  return SlowRealloc(old, size);
}
void* HookReallocarray(void* old, size_t count, size_t each) {
  size_t size;
  if (!Multiply(count, each, size)) [[unlikely]]
    return g_real.reallocarray(old, count, each);
  return HookRealloc(old, size);
}

void HookFree(void* block) {
  if (!LiveSet::MightHold(block)) [[likely]]
    return g_real.free(block);
  SlowFree(block);
}
#define TIDEMARK_HOOK_DELETE(name, real, parameters, arguments) \
  void name parameters {                                        \
    if (LiveSet::MightHold(block)) [[unlikely]]                 \
      Untrack(block);                                           \
    return g_real.real arguments;                               \
  }
TIDEMARK_HOOK_DELETE(HookDelete, delete_one, (void* block), (block))
TIDEMARK_HOOK_DELETE(HookDeleteArray, delete_array, (void* block), (block))
TIDEMARK_HOOK_DELETE(HookDeleteSized, delete_one_sized, (void* block, size_t n), (block, n))
TIDEMARK_HOOK_DELETE(HookDeleteArraySized, delete_array_sized, (void* block, size_t n), (block, n))
TIDEMARK_HOOK_DELETE(HookDeleteNothrow, delete_one_nothrow, (void* block, const void* tag), (block, tag))
TIDEMARK_HOOK_DELETE(HookDeleteArrayNothrow, delete_array_nothrow, (void* block, const void* tag), (block, tag))
TIDEMARK_HOOK_DELETE(HookDeleteAligned, delete_one_aligned, (void* block, size_t a), (block, a))
TIDEMARK_HOOK_DELETE(HookDeleteArrayAligned, delete_array_aligned, (void* block, size_t a), (block, a))
TIDEMARK_HOOK_DELETE(HookDeleteSizedAligned, delete_one_sized_aligned, (void* block, size_t n, size_t a), (block, n, a))
TIDEMARK_HOOK_DELETE(HookDeleteArraySizedAligned, delete_array_sized_aligned, (void* block, size_t n, size_t a),
                     (block, n, a))

// Only in the main executable: of any other caller the loader would see us in its place, and search the wrong paths.
void* HookDlopen(const char* file, int flags) {
  void* const handle = g_real.dlopen(file, flags);
  const int error = errno;
  if (auto* const after = g_after_dlopen.load(); handle != nullptr && after != nullptr) after();
  errno = error;
  return handle;
}

template <class Function>
uintptr_t AddressOf(Function* function) noexcept {
  return reinterpret_cast<uintptr_t>(function);
}

}  // namespace

uintptr_t HookOf(int function) noexcept {
  static const uintptr_t kHooks[kHookedCount] = {
      AddressOf(HookMalloc),
      AddressOf(HookFree),
      AddressOf(HookCalloc),
      AddressOf(HookRealloc),
      AddressOf(HookReallocarray),
      AddressOf(HookPosixMemalign),
      AddressOf(HookAlignedAlloc),
      AddressOf(HookMemalign),
      AddressOf(HookValloc),
      AddressOf(HookPvalloc),
      AddressOf(HookDlopen),
      AddressOf(HookNew),
      AddressOf(HookNewArray),
      AddressOf(HookNewNothrow),
      AddressOf(HookNewArrayNothrow),
      AddressOf(HookNewAligned),
      AddressOf(HookNewArrayAligned),
      AddressOf(HookDelete),
      AddressOf(HookDeleteArray),
      AddressOf(HookDeleteSized),
      AddressOf(HookDeleteArraySized),
      AddressOf(HookDeleteNothrow),
      AddressOf(HookDeleteArrayNothrow),
      AddressOf(HookDeleteAligned),
      AddressOf(HookDeleteArrayAligned),
      AddressOf(HookDeleteSizedAligned),
      AddressOf(HookDeleteArraySizedAligned),
  };
  return kHooks[function];
}

void WakeCollector() noexcept {
  if (g_sampling.wake.exchange(1, std::memory_order_relaxed) != 0) return;
  syscall(SYS_futex, reinterpret_cast<uint32_t*>(&g_sampling.wake), FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

void DrawAnew() noexcept { t_state.countdown.Idle(0); }

void StopSamplingInChildren() noexcept {
  static const int registered = pthread_atfork(nullptr, nullptr, [] {
    g_sampling.interval.store(0, std::memory_order_relaxed);
    g_after_dlopen.store(nullptr);
    g_sampling.live.AfterForkInChild();
    g_sampling.traces.AfterForkInChild();
  });
  (void)registered;
}

}  // namespace tidemark
