#include "profile/collector.h"

#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

#include "elf/loaded_objects.h"
#include "hooks/allocation_hooks.h"
#include "hooks/sampling_session.h"
#include "hooks/slot_patches.h"
#include "proc/residency.h"
#include "profile/js_name.h"
#include "profile/loaded_modules.h"
#include "profile/native_names.h"
#include "sampling/poisson.h"
#include "stack/code_map.h"
#include "stack/unwind_table.h"
#include "stack/walk.h"

namespace tidemark {
namespace {

constexpr long kDrainEverySeconds = 1;
constexpr uint32_t kPatienceMs = 50;
constexpr uint32_t kJsPatienceMs = 1;
constexpr uint64_t kMakeRoomEveryNanos = 60'000'000'000;
constexpr size_t kMaxNoted = 8;
constexpr size_t kThreadStackBytes = size_t{512} << 10;

struct RawTrace {
  uint32_t raw;
  uint32_t final;
};

struct State {
  // Held from the beginning of Start and Stop to their end: a session that starts while another thread ends the one
  // before would be given its thread to wait for. The collector's thread takes it never.
  pthread_mutex_t lifecycle = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;  // covers all below
  StackStore store;
  LoadedModules modules;
  NativeNames names;
  KeptArray<RawTrace> drained;
  uint64_t unwound = 0;  // ObjectChanges() that the unwind tables know of
  bool is_late = false;  // the last drain was put off
  uint64_t random = 0;
  uint64_t no_room_before_nanos = 0;
  // Read without the mutex: status() must not wait for a snapshot.
  std::atomic<uint64_t> thinned{0};
  std::atomic<uint64_t> late_drains{0};
  std::atomic<uint64_t> overflows{0};
  LiveSet::Counters live_before = {};  // of earlier sessions
  TraceTable::Counters traces_before = {};
  std::atomic<bool> running{false};
  pthread_t thread = {};

  // What dlopen has left while `mutex` was held: a worker may load an addon, run it, and unload it as it ends, before
  // the one who holds it looks again. Filled and emptied under a mutex of its own, which is never held for long.
  pthread_mutex_t noted_mutex = PTHREAD_MUTEX_INITIALIZER;
  ObjectList noted[kMaxNoted];
  size_t noted_count = 0;
};

State& TheState() noexcept {
  // Never destroyed: the thread may be in it when the process ends.
  alignas(State) static char memory[sizeof(State)];
  static State* const state = new (memory) State();
  return *state;
}

class Locked {
 public:
  explicit Locked(pthread_mutex_t& mutex) noexcept : mutex_(mutex) { pthread_mutex_lock(&mutex_); }
  Locked(const Locked&) = delete;
  Locked& operator=(const Locked&) = delete;
  ~Locked() { pthread_mutex_unlock(&mutex_); }

 private:
  pthread_mutex_t& mutex_;
};

uint64_t NowNanos() noexcept {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

// What was loaded or unloaded since: by dlopen from anywhere, the C library's own included (NSS, iconv). The two go by
// themselves: unwind tables are not published while a walk that was preempted may read the old ones, and frames must
// not be given the names of what lay there before.
void LookForObjects(State& state) noexcept {
  {
    const Locked locked(state.noted_mutex);
    for (size_t i = 0; i < state.noted_count; i++) {
      state.modules.Update(state.noted[i]);
      state.noted[i] = ObjectList();
    }
    state.noted_count = 0;
  }
  const uint64_t changes = ObjectChanges();
  if (changes == state.modules.Changes() && changes == state.unwound) return;
  ObjectList list;
  if (!ListObjects(list)) return;
  if (list.changes != state.modules.Changes()) state.modules.Update(list);
  if (list.changes != state.unwound && RefreshUnwindTables(list)) state.unwound = list.changes;
}

StoredFrame ToFrame(const LoadedModules& modules, uint64_t pc, const CodeMap::Resolved& js) noexcept {
  // The call, not what it returns to: that may be the next line, or the next function.
  uint64_t address = 0;
  const uint32_t module = modules.Find(pc - 1, address);
  if (module != LoadedModules::kNone) return {FrameKind::kNative, module, kNoName, -1, address};
  if (js.name == CodeMap::kNone) return {FrameKind::kUnknown, kNoName, kNoName, -1, 0};
  return {FrameKind::kJs, js.name, js.inlined == CodeMap::kNone ? kNoName : js.inlined, js.position, 0};
}

struct DrainedTrace {
  uint32_t raw;
  TraceKey key;
  TraceSums sums;
};

// Its samples count, but without a stack.
void GiveUp(State& state, const TraceSums& sums) noexcept {
  state.overflows += sums.samples;
  state.store.Add(StackStore::kOverflow, sums);
}

void TakeOver(State& state, const DrainedTrace& trace, const CodeMap::Resolved* js) noexcept {
  uint32_t frames[kMaxFrames];
  uint16_t kept = 0;
  bool full = false;
  for (size_t i = 0; i < trace.key.frames; i++) {
    const uint32_t frame = state.store.InternFrame(ToFrame(state.modules, trace.key.pcs[i], js[i]));
    full |= frame == kNoName;
    if (frame != kNoName) frames[kept++] = frame;
  }
  const TraceKey& key = trace.key;
  const uint32_t number =
      full ? StackStore::kOverflow : state.store.InternTrace(frames, kept, key.flags, key.region, key.thread);
  if (number == StackStore::kOverflow) return GiveUp(state, trace.sums);
  state.store.Add(number, trace.sums);
  if (RawTrace* pair = state.drained.Append()) *pair = {trace.raw, number};
}

// Many stacks at a time: what V8 reported since is merged into the code map whenever it is asked, and asking for each
// stack while functions are being made took a second where this takes a millisecond.
void TakeOver(State& state, const MappedArray<DrainedTrace>& traces) noexcept {
  constexpr size_t kAtOnce = 32 << 10;
  MappedArray<uint64_t> pcs;
  MappedArray<CodeMap::Resolved> js;
  if (pcs.Append(kAtOnce) == nullptr || js.Append(kAtOnce) == nullptr) {
    for (const DrainedTrace& trace : traces) GiveUp(state, trace.sums);
    return;
  }
  for (size_t i = 0; i < traces.size();) {
    size_t count = 0;
    size_t last = i;
    for (; last < traces.size() && count + traces[last].key.frames <= kAtOnce; last++) {
      std::memcpy(pcs.data() + count, traces[last].key.pcs, traces[last].key.frames * sizeof(uint64_t));
      count += traces[last].key.frames;
    }
    JsCode().Resolve(pcs.data(), count, js.data());
    for (count = 0; i < last; i++) {
      TakeOver(state, traces[i], js.data() + count);
      count += traces[i].key.frames;
    }
  }
}

// From here on the samples of what was drained refer to stacks under lasting names. Also those whose stack had no room:
// the next trace with the same raw number would be taken for theirs.
void Redirect(State& state) noexcept {
  KeptArray<RawTrace>& drained = state.drained;
  std::sort(drained.begin(), drained.end(), [](const RawTrace& a, const RawTrace& b) { return a.raw < b.raw; });
  g_sampling.live.ForEach([&drained](LiveSample& sample) {
    if (!g_sampling.traces.IsDrained(sample.trace)) return;
    const RawTrace* at = std::lower_bound(drained.begin(), drained.end(), sample.trace,
                                          [](const RawTrace& t, uint32_t raw) { return t.raw < raw; });
    sample.trace = at != drained.end() && at->raw == sample.trace ? at->final : StackStore::kOverflow;
  });
  drained.Shrink(drained.size());
}

void ThinWhenFull(State& state) noexcept {
  // Blocks much larger than the interval are sampled at twice the interval too: then it takes more than once.
  for (int i = 0; i < 16 && g_sampling.LiveNearlyFull(); i++) {
    uint32_t interval = g_sampling.interval.load();
    if (interval == 0 || interval > UINT32_MAX / 4) return;
    // One more than twice: an interval of 1 takes every block, and doubled it still would nearly. Unless it was changed
    // meanwhile: the end of the session must not be undone.
    if (!g_sampling.interval.compare_exchange_strong(interval, interval * 2 + 1)) continue;
    g_sampling.live.Thin(interval * 2 + 1, state.random);
    state.thinned++;
  }
}

// Makes room when most of it is taken: stacks without live blocks that allocated less than the average are added up in
// one trace without a stack. A service that makes functions as it runs would otherwise fill the store for good, and its
// later stacks would all be unknown.
void MakeRoom(State& state) noexcept {
  StackStore& store = state.store;
  const size_t count = store.Traces().size();
  // Not again at once when the last time brought little: all of it is in use.
  if (!store.NearlyFull() || NowNanos() < state.no_room_before_nanos) return;
  MappedArray<uint32_t> moved;  // by old number
  if (moved.Append(count) == nullptr) return;
  std::memset(moved.data(), 0, count * sizeof(uint32_t));
  g_sampling.live.ForEach([&](const LiveSample& sample) {
    if (sample.trace < count) moved[sample.trace] = 1;
  });
  double total = 0;
  for (const StoredTrace& trace : store.Traces()) total += trace.allocated.bytes;
  const double average = total / static_cast<double>(count);

  StackStore smaller;
  NativeNames names;
  for (uint32_t i = 0; i < count; i++) {
    const StoredTrace& trace = store.Traces()[i];
    bool stays = i != StackStore::kOverflow && (moved[i] != 0 || trace.allocated.bytes > average);
    uint32_t frames[kMaxFrames];
    for (uint32_t f = 0; stays && f < trace.frames; f++) {
      const uint32_t old = store.Stacks()[trace.first + f];
      frames[f] = smaller.InternFrame(store.Frames()[old]);
      stays = frames[f] != kNoName;
      names.Take(state.names, old, frames[f]);
    }
    moved[i] = stays ? smaller.InternTrace(frames, trace.frames, trace.flags, trace.region, trace.thread)
                     : StackStore::kOverflow;
    smaller.Add(moved[i], trace.allocated);
  }
  if (smaller.Traces().size() > count / 2) state.no_room_before_nanos = NowNanos() + kMakeRoomEveryNanos;
  state.store = std::move(smaller);
  state.names.Keep(std::move(names));
  g_sampling.live.ForEach([&](LiveSample& sample) {
    if (sample.trace < count) sample.trace = moved[sample.trace];
  });
}

void Drain(State& state, uint32_t patience_ms) noexcept {
  LookForObjects(state);
  MakeRoom(state);
  if (!g_sampling.traces.Flip(patience_ms)) {
    state.late_drains++;
    state.is_late = true;
    return;
  }
  MappedArray<DrainedTrace> traces;
  uint32_t count = 0;
  g_sampling.traces.ForEachDrained([&](uint32_t raw, const TraceKey& key, const TraceSums& sums) {
    count++;
    DrainedTrace* trace = key.frames <= kMaxFrames ? traces.Append() : nullptr;
    if (trace == nullptr) return GiveUp(state, sums);
    *trace = {raw, key, sums};
  });
  if (traces.size() > 0) TakeOver(state, traces);
  if (count > 0) Redirect(state);
  g_sampling.traces.ClearDrained();
  // Of a drain that was put off, the stacks since are still to be taken over, and they are older than LookForObjects.
  if (!state.is_late) state.modules.Settle();
  state.is_late = false;
  ThinWhenFull(state);
}

void WaitForWork() noexcept {
  const timespec patience = {kDrainEverySeconds, 0};
  syscall(SYS_futex, reinterpret_cast<uint32_t*>(&g_sampling.wake), FUTEX_WAIT_PRIVATE, 0, &patience, nullptr, 0);
  // Not a plain store: it could come to pass after Run() has found that it is to go on, and undo the last wake of all.
  g_sampling.wake.exchange(0);
}

void* Run(void*) {
  prctl(PR_SET_NAME, "tidemark");
  State& state = TheState();
  uint64_t changes = 0;
  int looks = 0;
  while (state.running.load()) {
    WaitForWork();
    if (!state.running.load()) break;
    // New objects have no hooks yet. Twice more afterwards: a slot that was patched while the loader was binding it
    // lazily holds the real function again.
    if (const uint64_t now = ObjectChanges(); now != changes) {
      changes = now;
      looks = 3;
    }
    if (looks > 0 && SlotPatches::TryApply()) looks--;
    const Locked locked(state.mutex);
    Drain(state, kPatienceMs);
  }
  return nullptr;
}

int StartThread(State& state) noexcept {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kThreadStackBytes);
  // Signals are the service's business.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int error = pthread_create(&state.thread, &attributes, Run, nullptr);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  return error;
}

// A child of fork has no thread to wait for, and no samples.
void StopInChildren() noexcept {
  StopSamplingInChildren();
  static const int registered = pthread_atfork(nullptr, nullptr, [] { TheState().running.store(false); });
  (void)registered;
}

void AfterDlopen() noexcept {
  SlotPatches::TryApply();
  // Its unwind table: before its code runs if nobody else is at it, by the collector otherwise.
  State& state = TheState();
  if (pthread_mutex_trylock(&state.mutex) == 0) {
    LookForObjects(state);
    pthread_mutex_unlock(&state.mutex);
    return;
  }
  ObjectList list;
  if (ListObjects(list)) {
    const Locked locked(state.noted_mutex);
    if (state.noted_count < kMaxNoted) state.noted[state.noted_count++] = std::move(list);
  }
  WakeCollector();
}

void AddSample(double (&sums)[5], const LiveSample& sample) noexcept {
  const double weight = Weight(sample.size, sample.interval);
  sums[0] += weight;
  sums[1] += weight * static_cast<double>(sample.size);
  sums[2] += VarianceOfCount(sample.size, sample.interval);
  sums[3] += VarianceOfBytes(sample.size, sample.interval);
  sums[4] += 1;
}

double Put(StringTable& strings, std::string_view text) noexcept {
  const uint32_t number = strings.Intern(text);
  return number == StringTable::kFull ? -1 : number;
}

bool WriteModules(const State& state, ProfileSnapshot& out) noexcept {
  constexpr char kDigits[] = "0123456789abcdef";
  for (uint32_t i = 0; i < state.modules.Count(); i++) {
    const LoadedModule& m = state.modules.At(i);
    ProfileSnapshot::Module* to = out.modules.Append();
    if (to == nullptr) return false;
    char hex[2 * kBuildIdBytes];
    for (size_t b = 0; b < m.build_id_size; b++) {
      hex[2 * b] = kDigits[m.build_id[b] >> 4];
      hex[2 * b + 1] = kDigits[m.build_id[b] & 15];
    }
    *to = {Put(out.strings, state.modules.PathOf(i)),
           Put(out.strings, {hex, size_t{2} * m.build_id_size}),
           static_cast<double>(m.start),
           static_cast<double>(m.end),
           static_cast<double>(m.bias),
           static_cast<double>(m.kind),
           m.own ? 1.0 : 0.0};
  }
  return true;
}

// The name of a function of the code map; each is copied out once.
double JsName(uint32_t name, MappedArray<uint32_t>& known, StringTable& strings) noexcept {
  if (name == kNoName) return -1;
  if (name >= known.size()) {
    const size_t before = known.size();
    uint32_t* fresh = known.Append(name + 1 - before);
    if (fresh == nullptr) return -1;
    for (size_t i = before; i <= name; i++) known[i] = kNoName;
  }
  if (known[name] == kNoName) {
    char buffer[kMaxJsNameBytes + 1];
    known[name] = strings.Intern(CopyJsName(JsCode(), name, buffer));
  }
  return known[name] == StringTable::kFull ? -1 : known[name];
}

// The frames of `out.stack`, which then refers to what is in `out` instead of the store: of 2,000 frames a few hundred
// are in stacks of what lives.
bool WriteFrames(const State& state, ProfileSnapshot& out) noexcept {
  const KeptArray<StoredFrame>& frames = state.store.Frames();
  MappedArray<uint32_t> js_names;
  MappedArray<uint32_t> written;  // by number in the store: one more than that in `out`
  if (frames.size() == 0) return true;
  if (written.Append(frames.size()) == nullptr) return false;
  std::memset(written.data(), 0, frames.size() * sizeof(uint32_t));
  for (uint32_t& at : out.stack) {
    const uint32_t i = at;
    if (written[i] != 0) {
      at = written[i] - 1;
      continue;
    }
    ProfileSnapshot::Frame* to = out.frames.Append();
    if (to == nullptr) return false;
    written[i] = static_cast<uint32_t>(out.frames.size());
    at = written[i] - 1;
    const StoredFrame& frame = frames[i];
    *to = {static_cast<double>(frame.kind), -1, -1, -1, -1, 0, 0};
    if (frame.kind == FrameKind::kJs) {
      to->name = JsName(frame.source, js_names, out.strings);
      to->inlined = JsName(frame.inlined, js_names, out.strings);
      to->position = frame.position;
    } else if (frame.kind == FrameKind::kNative) {
      const NativeNames::Named& named = state.names.Of(i);
      to->name = named.name == kNoName ? -1 : Put(out.strings, state.names.Strings().At(named.name));
      to->module = frame.source;
      to->address = static_cast<double>(frame.offset);
      to->function = static_cast<double>(named.start);
    }
  }
  return true;
}

// Small blocks are touched as a whole, as a rule; large ones may be Buffers of which nothing was written yet.
constexpr uint64_t kLargeBytes = uint64_t{64} << 10;

// A block of which a sample was taken. It may be freed, and its address another's, by the time that it is looked at.
struct LargeBlock {
  uint64_t address;
  uint64_t size;
  uint32_t trace;
  double weight;
};

// The untouched part of each large block is taken off what its trace has alive. Of very many only some are looked at,
// which then stand for their neighbours.
void CountResident(const MappedArray<LargeBlock>& large, MappedArray<ProfileSnapshot::Trace>& rows) noexcept {
  constexpr size_t kMostLooks = 4096;
  for (ProfileSnapshot::Trace& row : rows) row.live_resident = row.live[1];
  const size_t stride = large.size() / kMostLooks + 1;
  double touched = 1;
  for (size_t i = 0; i < large.size(); i++) {
    const LargeBlock& block = large[i];
    const auto size = static_cast<double>(block.size);
    if (i % stride == 0) touched = static_cast<double>(OwnResidentBytes(block.address, block.size)) / size;
    rows[block.trace].live_resident -= block.weight * size * (1 - touched);
  }
}

// Deciseconds of the session: what was sampled then or before is `old_ms` old.
double OldBefore(double old_ms) noexcept {
  const double now_ds = static_cast<double>(SessionClockNanos() - g_sampling.started_nanos.load()) / 1e8;
  return now_ds - old_ms / 100;
}

// Leaves only those traces of `out` that have something in them, and gives each its stack.
bool WriteStacks(const State& state, bool only_live, ProfileSnapshot& out) noexcept {
  const KeptArray<uint32_t>& stacks = state.store.Stacks();
  size_t kept = 0;
  for (const ProfileSnapshot::Trace& row : out.traces) {
    if (row.live[4] == 0 && (only_live || row.allocated[4] == 0)) continue;
    ProfileSnapshot::Trace& to = out.traces[kept++];
    to = row;
    const auto length = static_cast<size_t>(row.frames);
    to.first = static_cast<double>(out.stack.size());
    uint32_t* frames = length > 0 ? out.stack.Append(length) : nullptr;
    if (frames != nullptr)
      std::memcpy(frames, stacks.data() + static_cast<size_t>(row.first), length * sizeof(uint32_t));
    if (length > 0 && frames == nullptr) return false;
  }
  out.traces.Shrink(out.traces.size() - kept);
  return true;
}

bool WriteTraces(State& state, double old_ms, bool only_live, ProfileSnapshot& out) noexcept {
  const KeptArray<StoredTrace>& traces = state.store.Traces();
  const size_t count = traces.size();
  if (count == 0) return true;
  MappedArray<ProfileSnapshot::Trace>& rows = out.traces;
  if (rows.Append(count) == nullptr) return false;
  for (size_t i = 0; i < count; i++) {
    const StoredTrace& t = traces[i];
    rows[i] = {static_cast<double>(t.first),
               static_cast<double>(t.frames),
               static_cast<double>(t.flags),
               static_cast<double>(t.region),
               static_cast<double>(t.thread),
               {t.allocated.count, t.allocated.bytes, t.allocated.count_variance, t.allocated.bytes_variance,
                static_cast<double>(t.allocated.samples)},
               {},
               {},
               0};
  }
  const double old_before = OldBefore(old_ms);
  MappedArray<LargeBlock> large;
  g_sampling.live.ForEach([&](const LiveSample& sample) {
    // What came after the drain is in the next profile.
    if (sample.trace >= count) return;
    AddSample(rows[sample.trace].live, sample);
    if (sample.time_ds <= old_before) AddSample(rows[sample.trace].old, sample);
    LargeBlock* block = sample.size >= kLargeBytes ? large.Append() : nullptr;
    if (block != nullptr) *block = {sample.address, sample.size, sample.trace, Weight(sample.size, sample.interval)};
  });
  CountResident(large, rows);
  return WriteStacks(state, only_live, out);
}

}  // namespace

int Collector::Start(const CollectorOptions& options) noexcept {
  State& state = TheState();
  const Locked lifecycle(state.lifecycle);
  if (state.running.load()) return EALREADY;
  {
    const Locked locked(state.mutex);
    if (!g_sampling.live.Start(options.live_capacity) || !g_sampling.traces.Start()) return ENOMEM;
    // Both buffers: a thread that was in a hook when the last session ended may have left a stack in either. The
    // samples after them, as their stacks' numbers are given away anew.
    for (int i = 0; i < 2 && g_sampling.traces.Flip(kPatienceMs); i++) g_sampling.traces.ClearDrained();
    g_sampling.live.Clear();
    state.is_late = false;
    state.store.Clear();
    state.names.Clear();
    state.modules.Clear();
    state.thinned = 0;
    state.late_drains = 0;
    state.overflows = 0;
    g_sampling.truncated.store(0);
    g_sampling.partial.store(0);
    g_sampling.js_fallbacks.store(0);
    state.random = NowNanos();
    state.live_before = g_sampling.live.GetCounters();
    state.traces_before = g_sampling.traces.GetCounters();
    LookForObjects(state);
  }
  StopInChildren();
  g_after_dlopen.store(AfterDlopen);
  g_sampling.started_nanos.store(SessionClockNanos());
  // Before the hooks: a thread that finds no interval looks again after 16 MiB only.
  g_sampling.interval.store(options.interval);
  state.running.store(true);
  int error = SlotPatches::Apply();
  if (error == 0) error = StartThread(state);
  if (error == 0) return 0;
  state.running.store(false);
  SlotPatches::Remove();
  g_sampling.interval.store(0);
  return error;
}

void Collector::Stop() noexcept {
  State& state = TheState();
  const Locked lifecycle(state.lifecycle);
  if (!state.running.exchange(false)) return;
  SlotPatches::Remove();
  g_sampling.interval.store(0);
  WakeCollector();
  pthread_join(state.thread, nullptr);
  const Locked locked(state.mutex);
  Drain(state, kPatienceMs);
}

bool Collector::Running() noexcept { return TheState().running.load(); }

void Collector::SetInterval(uint32_t interval) noexcept {
  if (Running()) g_sampling.interval.store(interval);
}

int Collector::Snapshot(double old_ms, bool only_live, ProfileSnapshot& out) noexcept {
  State& state = TheState();
  const Locked locked(state.mutex);
  // While it runs only: afterwards frees are not seen, and the live set would be what it was.
  if (Running()) Drain(state, kPatienceMs);
  if (!state.names.Update(state.store.Frames(), state.modules)) return ENOMEM;
  out.seconds = static_cast<double>(SessionClockNanos() - g_sampling.started_nanos.load()) / 1e9;
  out.interval = g_sampling.interval.load();
  const bool written =
      WriteModules(state, out) && WriteTraces(state, old_ms, only_live, out) && WriteFrames(state, out);
  return written ? 0 : ENOMEM;
}

bool Collector::Regions(MappedArray<RegionSums>& out) noexcept {
  State& state = TheState();
  if (pthread_mutex_trylock(&state.mutex) != 0) return false;
  if (Running()) Drain(state, kJsPatienceMs);
  const KeptArray<StoredTrace>& traces = state.store.Traces();
  MappedArray<uint32_t> row_of;  // by trace
  bool complete = traces.size() == 0 || row_of.Append(traces.size()) != nullptr;
  for (uint32_t i = 0; complete && i < traces.size(); i++) {
    const StoredTrace& t = traces[i];
    uint32_t row = 0;
    while (row < out.size() && (out[row].region != t.region || out[row].thread != t.thread)) row++;
    if (row == out.size()) {
      RegionSums* added = out.Append();
      complete = added != nullptr;
      if (!complete) break;
      *added = {static_cast<double>(t.region), static_cast<double>(t.thread), 0, 0, 0, 0};
    }
    out[row].allocated_bytes += t.allocated.bytes;
    out[row].allocated_variance += t.allocated.bytes_variance;
    row_of[i] = row;
  }
  if (complete) {
    g_sampling.live.ForEach([&](const LiveSample& sample) {
      if (sample.trace >= traces.size()) return;
      RegionSums& sums = out[row_of[sample.trace]];
      sums.live_bytes += Weight(sample.size, sample.interval) * static_cast<double>(sample.size);
      sums.live_variance += VarianceOfBytes(sample.size, sample.interval);
    });
  }
  pthread_mutex_unlock(&state.mutex);
  return complete;
}

uint32_t Collector::OldBlocks(double old_ms) noexcept {
  const double old_before = OldBefore(old_ms);
  uint32_t sum = 0;
  g_sampling.live.ForEach([&](const LiveSample& sample) {
    // A sum, as the order in which they are met may change.
    if (sample.time_ds <= old_before) sum += (sample.id * 0x9E3779B1U + 1) * (sample.interval | 1);
  });
  return sum;
}

CollectorStats Collector::Stats() noexcept {
  State& state = TheState();
  const LiveSet::Counters live = g_sampling.live.GetCounters();
  const TraceTable::Counters traces = g_sampling.traces.GetCounters();
  CollectorStats stats = {};
  stats.samples = static_cast<double>(traces.added - state.traces_before.added);
  stats.live_samples = g_sampling.live.Size();
  stats.live_capacity = g_sampling.live.Capacity();
  stats.dropped =
      static_cast<double>(traces.dropped_full + traces.dropped_busy + live.dropped_full + live.dropped_busy -
                          (state.traces_before.dropped_full + state.traces_before.dropped_busy +
                           state.live_before.dropped_full + state.live_before.dropped_busy));
  stats.replaced = static_cast<double>(live.replaced - state.live_before.replaced);
  stats.unmatched = static_cast<double>(live.unmatched - state.live_before.unmatched);
  stats.thinned = static_cast<double>(state.thinned.load());
  stats.overflows = static_cast<double>(state.overflows.load());
  stats.late_drains = static_cast<double>(state.late_drains.load());
  return stats;
}

}  // namespace tidemark
