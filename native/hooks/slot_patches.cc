#include "hooks/slot_patches.h"

#include <link.h>
#include <pthread.h>
#include <sys/mman.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <new>

#include "base/mapped_array.h"
#include "elf/loaded_objects.h"
#include "elf/relocation_slots.h"
#include "hooks/allocation_hooks.h"
#include "hooks/hooked_functions.h"
#include "proc/maps.h"

namespace tidemark {
namespace {

struct Patch {
  uint64_t slot;
  uint64_t before;
  uint32_t function;
  bool read_only;  // its page was, and is to be again
};

struct Problem {
  char object[96];
  const char* reason;
};

constexpr size_t kMaxProblems = 16;

pthread_mutex_t g_mutex = PTHREAD_MUTEX_INITIALIZER;
std::atomic<bool> g_look_again{false};
bool g_installed = false;
PatchCoverage g_coverage;
Problem g_problems[kMaxProblems];
size_t g_problem_count = 0;
char g_provider[256];

// Sorted by slot. Never destroyed: the collector goes on after the destructors of this library have run.
KeptArray<Patch>& Patches() noexcept {
  alignas(KeptArray<Patch>) static char memory[sizeof(KeptArray<Patch>)];
  static KeptArray<Patch>* const patches = new (memory) KeptArray<Patch>();
  return *patches;
}

uint64_t NowNanos() noexcept {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

void Report(std::string_view object, const char* reason) noexcept {
  const size_t slash = object.rfind('/');
  const std::string_view name = slash == std::string_view::npos ? object : object.substr(slash + 1);
  for (size_t i = 0; i < g_problem_count; i++) {
    if (g_problems[i].reason == reason && name == g_problems[i].object) return;
  }
  if (g_problem_count == kMaxProblems) return;
  Problem& problem = g_problems[g_problem_count++];
  const size_t length = std::min(name.size(), sizeof problem.object - 1);
  std::memcpy(problem.object, name.data(), length);
  problem.object[length] = '\0';
  problem.reason = reason;
}

// Pages that a slot lies on.
struct Pages {
  uint64_t start;
  uint64_t end;
  bool read_only;
};

// Makes pages of the process writable and puts them back: one stretch at a time, and only what slots lie on.
class WritablePages {
 public:
  WritablePages() noexcept = default;
  WritablePages(const WritablePages&) = delete;
  WritablePages& operator=(const WritablePages&) = delete;
  ~WritablePages() { Restore(); }

  bool Holds(uint64_t slot) const noexcept { return slot >= pages_.start && slot + sizeof(uint64_t) <= pages_.end; }

  // Whether slots on `pages` may be written to from here on, until Restore() or the next Open().
  bool Open(const Pages& pages) noexcept {
    Restore();
    pages_ = pages;
    usable_ = Protect(PROT_READ | PROT_WRITE);
    return usable_;
  }
  // For slots that it Holds().
  bool usable() const noexcept { return usable_; }
  bool read_only() const noexcept { return pages_.read_only; }

  void Restore() noexcept {
    if (usable_ && pages_.read_only) Protect(PROT_READ);
    usable_ = false;
    pages_ = {};
  }

 private:
  bool Protect(int protection) const noexcept {
    return mprotect(reinterpret_cast<void*>(pages_.start), pages_.end - pages_.start, protection) == 0;
  }

  Pages pages_ = {};
  bool usable_ = false;
};

bool InRelro(const LoadedObject& object, uint64_t slot) noexcept {
  return slot >= object.relro_start && slot < object.relro_end;
}

const LoadedObject* ObjectAt(const ObjectList& list, uint64_t address) noexcept {
  for (const LoadedObject& object : list.objects) {
    if (address >= object.start && address < object.end) return &object;
  }
  return nullptr;
}

// An operator leads to malloc, or to an operator that does, when libstdc++ provides it, and must then be left alone:
// hooked as well, each block would be counted twice. Asked of each by itself: an allocator may bring `operator new` and
// not the newer forms.
bool BypassesMalloc(const ObjectList& list, int function) noexcept {
  const LoadedObject* provider = ObjectAt(list, g_real.Address(function));
  return provider != nullptr && provider == ObjectAt(list, g_real.Address(kMalloc));
}

enum class Verdict { kPatch, kDone, kCovered, kOwn, kForeign };

Verdict Judge(const LoadedObject& object, const RelocationSlot& slot, uint64_t value, int function) noexcept {
  if (value == HookOf(function)) return Verdict::kDone;
  if (value == g_real.Address(function)) return Verdict::kPatch;
  const bool own_text = value >= object.text_start && value < object.text_end;
  if (slot.kind == SlotKind::kJumpSlot) {
    // Not bound yet: it holds the object's own stub.
    if (own_text && !slot.defined_here) return Verdict::kPatch;
    return own_text ? Verdict::kOwn : Verdict::kForeign;
  }
  // A pointer to the executable's PLT stub leads through the executable's slot, which is patched.
  return Verdict::kCovered;
}

const Patch* FindPatch(uint64_t slot) noexcept {
  const KeptArray<Patch>& patches = Patches();
  const Patch* patch =
      std::lower_bound(patches.begin(), patches.end(), slot, [](const Patch& p, uint64_t s) { return p.slot < s; });
  return patch != patches.end() && patch->slot == slot ? patch : nullptr;
}

// What one pass over the loaded objects does and finds.
struct Pass {
  const ObjectList& list;
  const LoadedObject* self;
  const MapsTable& maps;
  bool hooked[kHookedCount];
  WritablePages pages;
  MappedArray<Patch> patches;  // all that hold now, also those made earlier
  bool out_of_memory = false;
  bool unfinished = false;  // an object is being loaded
};

bool Hookable(const Pass& pass, const LoadedObject& object, int function) noexcept {
  if (&object == pass.self || !pass.hooked[function]) return false;
  return function != kDlopen || object.kind == ObjectKind::kExecutable;
}

enum class Access { kOpen, kRefused, kUnfinished };

Access OpenSlot(Pass& pass, const LoadedObject& object, uint64_t slot) noexcept {
  if (pass.pages.Holds(slot)) return pass.pages.usable() ? Access::kOpen : Access::kRefused;
  const MapsRow* row = std::upper_bound(pass.maps.rows.begin(), pass.maps.rows.end(), slot,
                                        [](uint64_t a, const MapsRow& r) { return a < r.end; });
  if (row == pass.maps.rows.end() || row->start > slot) return Access::kRefused;
  const bool read_only = (row->perms & kWrite) == 0;
  // The loader relocates an object after it has put it on its list, and then makes this part read-only, with no lock
  // that we could hold: between reading the maps and the store, the page would be closed under us.
  if (!read_only && InRelro(object, slot)) return Access::kUnfinished;
  // Never writable and executable at once: such a page holds no slots, and hardened kernels refuse it.
  if ((row->perms & kRead) == 0 || (row->perms & kExecute) != 0) return Access::kRefused;
  // As far as the object reaches, so that the whole of a RELRO segment is opened and closed once.
  const uint64_t page = PageSize();
  const uint64_t start = std::max(row->start, object.start & ~(page - 1));
  const uint64_t end = std::min(row->end, (object.end + page - 1) & ~(page - 1));
  return pass.pages.Open({start, end, read_only}) ? Access::kOpen : Access::kRefused;
}

void Count(SlotKind kind) noexcept {
  g_coverage.slots++;
  if (kind == SlotKind::kJumpSlot) g_coverage.jump_slots++;
  if (kind == SlotKind::kGlobDat) g_coverage.glob_dats++;
  if (kind == SlotKind::kAbsolute) g_coverage.absolutes++;
}

void PatchSlot(Pass& pass, const LoadedObject& object, const RelocationSlot& slot, int function) noexcept {
  const auto address = reinterpret_cast<uint64_t>(slot.address);
  const uint64_t value = __atomic_load_n(slot.address, __ATOMIC_RELAXED);
  const Verdict verdict = Judge(object, slot, value, function);
  if (verdict == Verdict::kCovered) return;
  if (verdict == Verdict::kOwn || verdict == Verdict::kForeign) {
    g_coverage.foreign++;
    Report(pass.list.names.At(object.name),
           verdict == Verdict::kOwn ? "it has its own allocator" : "it is bound to another allocator");
    return;
  }
  const Patch* known = verdict == Verdict::kDone ? FindPatch(address) : nullptr;
  const Access access = verdict == Verdict::kPatch ? OpenSlot(pass, object, address) : Access::kOpen;
  if (access == Access::kUnfinished) {
    pass.unfinished = true;
    return;
  }
  if (access == Access::kRefused) {
    g_coverage.refused++;
    Report(pass.list.names.At(object.name), "its pages cannot be made writable");
    return;
  }
  // Noted before it is done: what is not noted could never be put back.
  Patch* patch = pass.patches.Append();
  if (patch == nullptr) {
    pass.out_of_memory = true;
    return;
  }
  *patch = {address, value, static_cast<uint32_t>(function), pass.pages.read_only()};
  if (verdict == Verdict::kDone) {
    patch->before = known != nullptr ? known->before : g_real.Address(function);
    patch->read_only = known != nullptr ? known->read_only : InRelro(object, address);
  }
  // A store of eight aligned bytes: another thread calls either function, never half of each.
  if (verdict == Verdict::kPatch) __atomic_store_n(slot.address, HookOf(function), __ATOMIC_RELEASE);
  Count(slot.kind);
}

// Slots of objects that have been unloaded since are forgotten with this.
void Remember(Pass& pass) noexcept {
  std::sort(pass.patches.begin(), pass.patches.end(), [](const Patch& a, const Patch& b) { return a.slot < b.slot; });
  const size_t count = pass.patches.size();
  KeptArray<Patch>& patches = Patches();
  if (patches.size() < count && patches.Append(count - patches.size()) == nullptr) return;
  patches.Shrink(patches.size() - count);
  if (count > 0) std::memcpy(patches.data(), pass.patches.data(), count * sizeof(Patch));
}

void RememberProvider(const ObjectList& list) noexcept {
  const LoadedObject* provider = ObjectAt(list, g_real.Address(kMalloc));
  const std::string_view name = provider == nullptr ? std::string_view("unknown") : list.names.At(provider->name);
  const size_t length = std::min(name.size(), sizeof g_provider - 1);
  std::memcpy(g_provider, name.data(), length);
  g_provider[length] = '\0';
}

// 0 or an errno; EAGAIN: an object was just being loaded.
int PatchAll() noexcept {
  const uint64_t begin = NowNanos();
  ObjectList list;
  MapsTable maps;
  if (!ListObjects(list)) return ENOMEM;
  if (const Failure failure = ReadMaps(0, maps)) return failure.error;
  RememberProvider(list);
  const uint64_t longest = g_coverage.nanos;
  g_coverage = {};
  g_problem_count = 0;
  Pass pass = {list, ObjectAt(list, HookOf(kMalloc)), maps, {}, {}, {}};
  for (int function = 0; function < kHookedCount; function++) {
    const bool is_operator = function >= kFirstOperator;
    pass.hooked[function] = g_real.Address(function) != 0 && (!is_operator || BypassesMalloc(list, function));
    g_coverage.operators |= is_operator && pass.hooked[function];
  }
  for (const LoadedObject& object : list.objects) {
    // The loader's own malloc must stay its own: it allocates in the middle of binding a symbol.
    if (object.kind == ObjectKind::kLoader || object.kind == ObjectKind::kVdso) continue;
    const uint32_t before = g_coverage.slots;
    ForEachSlot(object, [&](const RelocationSlot& slot) {
      const int function = HookedFunction(slot.symbol);
      if (function >= 0 && Hookable(pass, object, function)) PatchSlot(pass, object, slot, function);
    });
    pass.pages.Restore();
    g_coverage.objects += g_coverage.slots > before ? 1 : 0;
  }
  Remember(pass);
  g_coverage.nanos = std::max(longest, NowNanos() - begin);
  if (pass.out_of_memory) return ENOMEM;
  return pass.unfinished ? EAGAIN : 0;
}

// Without /proc, which may be out of reach by now: what was read-only is known.
void UnpatchAll() noexcept {
  ObjectList list;
  if (!ListObjects(list)) return;
  const LoadedObject* self = ObjectAt(list, HookOf(kMalloc));
  const uint64_t page = PageSize();
  WritablePages pages;
  for (size_t i = 0; i < list.objects.size(); i++) {
    const LoadedObject& object = list.objects[i];
    if (&object == self) continue;
    ForEachSlot(object, [&](const RelocationSlot& slot) {
      const int function = HookedFunction(slot.symbol);
      if (function < 0 || __atomic_load_n(slot.address, __ATOMIC_RELAXED) != HookOf(function)) return;
      const auto address = reinterpret_cast<uint64_t>(slot.address);
      // There is none for it when memory ran out.
      const Patch* patch = FindPatch(address);
      const bool in_relro = InRelro(object, address);
      if (!pages.Holds(address)) {
        const bool read_only = patch != nullptr ? patch->read_only : in_relro;
        const uint64_t own_page = address & ~(page - 1);
        pages.Open(in_relro && read_only ? Pages{object.relro_start, object.relro_end, true}
                                         : Pages{own_page, own_page + page, read_only});
      }
      if (!pages.usable()) return;
      __atomic_store_n(slot.address, patch != nullptr ? patch->before : g_real.Address(function), __ATOMIC_RELEASE);
    });
    pages.Restore();
  }
  Patches().Shrink(Patches().size());
}

// Runs `work` while no object can be unloaded: the loader holds its lock during dl_iterate_phdr, and lets the same
// thread take it again.
template <class Work>
void UnderLoaderLock(Work work) noexcept {
  dl_iterate_phdr(
      [](dl_phdr_info*, size_t, void* context) {
        (*static_cast<Work*>(context))();
        return 1;
      },
      &work);
}

int ApplyLocked() noexcept {
  int error = 0;
  do {
    g_look_again.store(false);
    UnderLoaderLock([&error] { error = PatchAll(); });
  } while (g_look_again.load() && (error == 0 || error == EAGAIN));
  return error;
}

}  // namespace

int SlotPatches::Apply() noexcept {
  if (const int error = FindRealFunctions()) return error;
  pthread_mutex_lock(&g_mutex);
  if (!g_installed) {
    g_coverage = {};
    g_problem_count = 0;
    g_installed = true;
  }
  const int error = ApplyLocked();
  pthread_mutex_unlock(&g_mutex);
  // What is being loaded is found by the next TryApply().
  return error == EAGAIN ? 0 : error;
}

bool SlotPatches::TryApply() noexcept {
  // Not a wait: the one who holds the mutex may be waiting for the loader's lock, which a constructor that calls
  // dlopen holds above us.
  g_look_again.store(true);
  if (pthread_mutex_trylock(&g_mutex) != 0) return false;
  const int error = g_installed ? ApplyLocked() : 0;
  pthread_mutex_unlock(&g_mutex);
  return error == 0;
}

void SlotPatches::Remove() noexcept {
  pthread_mutex_lock(&g_mutex);
  if (g_installed) UnderLoaderLock([] { UnpatchAll(); });
  g_installed = false;
  pthread_mutex_unlock(&g_mutex);
}

PatchCoverage SlotPatches::Coverage() noexcept {
  pthread_mutex_lock(&g_mutex);
  const PatchCoverage coverage = g_installed ? g_coverage : PatchCoverage{};
  pthread_mutex_unlock(&g_mutex);
  return coverage;
}

void SlotPatches::Problems(VisitProblem visit, void* context) noexcept {
  pthread_mutex_lock(&g_mutex);
  for (size_t i = 0; i < g_problem_count; i++) visit(context, g_problems[i].object, g_problems[i].reason);
  pthread_mutex_unlock(&g_mutex);
}

size_t SlotPatches::Provider(char* out, size_t capacity) noexcept {
  pthread_mutex_lock(&g_mutex);
  const size_t length = std::min(std::strlen(g_provider), capacity);
  std::copy_n(g_provider, length, out);
  pthread_mutex_unlock(&g_mutex);
  return length;
}

}  // namespace tidemark
