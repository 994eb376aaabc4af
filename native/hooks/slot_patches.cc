#include "hooks/slot_patches.h"

#include <link.h>
#include <pthread.h>
#include <sys/mman.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

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
};

struct Problem {
  char object[96];
  const char* reason;
};

constexpr size_t kMaxProblems = 16;

pthread_mutex_t g_mutex = PTHREAD_MUTEX_INITIALIZER;
std::atomic<bool> g_look_again{false};
bool g_installed = false;
KeptArray<Patch> g_patches;  // sorted by slot
PatchCoverage g_coverage;
Problem g_problems[kMaxProblems];
size_t g_problem_count = 0;
char g_provider[256];

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

// Makes pages of the process writable and puts them back: a mapping at a time, and only what slots lie on.
class WritablePages {
 public:
  explicit WritablePages(const MapsTable& maps) noexcept : maps_(maps) {}
  WritablePages(const WritablePages&) = delete;
  WritablePages& operator=(const WritablePages&) = delete;
  ~WritablePages() { Restore(); }

  // Whether `address` may be written to now. Calls come in any order; neighbours cost one mprotect.
  bool Open(uint64_t address, uint64_t object_start, uint64_t object_end) noexcept {
    if (address >= start_ && address + 8 <= end_) return usable_;
    Restore();
    const MapsRow* row = Find(address);
    if (row == nullptr) return false;
    // As far as the object reaches, so that the whole of a RELRO segment is opened and closed once.
    const uint64_t page = PageSize();
    start_ = std::max(row->start, object_start & ~(page - 1));
    end_ = std::min(row->end, (object_end + page - 1) & ~(page - 1));
    if ((row->perms & kWrite) != 0) {
      usable_ = true;
      return true;
    }
    perms_ = ((row->perms & kRead) != 0 ? PROT_READ : 0) | ((row->perms & kExecute) != 0 ? PROT_EXEC : 0);
    // Never writable and executable at once: such a page holds no slots, and hardened kernels refuse it.
    usable_ =
        perms_ == PROT_READ && mprotect(reinterpret_cast<void*>(start_), end_ - start_, PROT_READ | PROT_WRITE) == 0;
    opened_ = usable_;
    return usable_;
  }

  void Restore() noexcept {
    if (opened_) mprotect(reinterpret_cast<void*>(start_), end_ - start_, perms_);
    opened_ = false;
    usable_ = false;
    start_ = end_ = 0;
  }

 private:
  const MapsRow* Find(uint64_t address) const noexcept {
    const MapsRow* row = std::upper_bound(maps_.rows.begin(), maps_.rows.end(), address,
                                          [](uint64_t a, const MapsRow& r) { return a < r.end; });
    return row != maps_.rows.end() && row->start <= address ? row : nullptr;
  }

  const MapsTable& maps_;
  uint64_t start_ = 0;
  uint64_t end_ = 0;
  int perms_ = 0;
  bool usable_ = false;
  bool opened_ = false;
};

const LoadedObject* ObjectAt(const ObjectList& list, uint64_t address) noexcept {
  for (const LoadedObject& object : list.objects) {
    if (address >= object.start && address < object.end) return &object;
  }
  return nullptr;
}

// The operators lead to malloc when libstdc++ provides them, and must then be left alone: hooked as well, each block
// would be counted twice.
bool OperatorsBypassMalloc(const ObjectList& list) noexcept {
  const LoadedObject* new_provider = ObjectAt(list, g_real.Address(kNew));
  const LoadedObject* malloc_provider = ObjectAt(list, g_real.Address(kMalloc));
  return new_provider != nullptr && new_provider == malloc_provider;
}

bool Hookable(const LoadedObject& object, const LoadedObject* self, int function, bool operators) noexcept {
  if (&object == self || g_real.Address(function) == 0) return false;
  if (function == kDlopen) return object.kind == ObjectKind::kExecutable;
  return function < kFirstOperator || operators;
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
  const Patch* patch =
      std::lower_bound(g_patches.begin(), g_patches.end(), slot, [](const Patch& p, uint64_t s) { return p.slot < s; });
  return patch != g_patches.end() && patch->slot == slot ? patch : nullptr;
}

// What one pass over the loaded objects does and finds.
struct Pass {
  const ObjectList& list;
  const LoadedObject* self;
  bool operators;
  WritablePages pages;
  MappedArray<Patch> patches;  // all that hold now, also those made earlier
  bool out_of_memory = false;
};

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
  if (verdict == Verdict::kPatch && !pass.pages.Open(address, object.start, object.end)) {
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
  *patch = {address, known != nullptr ? known->before : value, static_cast<uint32_t>(function)};
  // A store of eight aligned bytes: another thread calls either function, never half of each.
  if (verdict == Verdict::kPatch) __atomic_store_n(slot.address, HookOf(function), __ATOMIC_RELEASE);
  Count(slot.kind);
}

// Slots of objects that have been unloaded since are forgotten with this.
void Remember(Pass& pass) noexcept {
  std::sort(pass.patches.begin(), pass.patches.end(), [](const Patch& a, const Patch& b) { return a.slot < b.slot; });
  const size_t count = pass.patches.size();
  if (g_patches.size() < count && g_patches.Append(count - g_patches.size()) == nullptr) return;
  g_patches.Shrink(g_patches.size() - count);
  if (count > 0) std::memcpy(g_patches.data(), pass.patches.data(), count * sizeof(Patch));
}

void RememberProvider(const ObjectList& list) noexcept {
  const LoadedObject* provider = ObjectAt(list, g_real.Address(kMalloc));
  const std::string_view name = provider == nullptr ? std::string_view("unknown") : list.names.At(provider->name);
  const size_t length = std::min(name.size(), sizeof g_provider - 1);
  std::memcpy(g_provider, name.data(), length);
  g_provider[length] = '\0';
}

int PatchAll() noexcept {
  const uint64_t begin = NowNanos();
  ObjectList list;
  MapsTable maps;
  if (!ListObjects(list) || ReadMaps(0, maps)) return ENOMEM;
  RememberProvider(list);
  const uint64_t longest = g_coverage.nanos;
  g_coverage = {};
  g_coverage.operators = OperatorsBypassMalloc(list);
  Pass pass = {list, ObjectAt(list, HookOf(kMalloc)), g_coverage.operators, WritablePages(maps), {}};
  for (const LoadedObject& object : list.objects) {
    // The loader's own malloc must stay its own: it allocates in the middle of binding a symbol.
    if (object.kind == ObjectKind::kLoader || object.kind == ObjectKind::kVdso) continue;
    const uint32_t before = g_coverage.slots;
    ForEachSlot(object, [&](const RelocationSlot& slot) {
      const int function = HookedFunction(slot.symbol);
      if (function >= 0 && Hookable(object, pass.self, function, pass.operators)) {
        PatchSlot(pass, object, slot, function);
      }
    });
    pass.pages.Restore();
    g_coverage.objects += g_coverage.slots > before ? 1 : 0;
  }
  Remember(pass);
  g_coverage.nanos = std::max(longest, NowNanos() - begin);
  return pass.out_of_memory ? ENOMEM : 0;
}

void UnpatchAll() noexcept {
  ObjectList list;
  MapsTable maps;
  if (!ListObjects(list) || ReadMaps(0, maps)) return;
  WritablePages pages(maps);
  for (const LoadedObject& object : list.objects) {
    ForEachSlot(object, [&](const RelocationSlot& slot) {
      const auto address = reinterpret_cast<uint64_t>(slot.address);
      const Patch* patch = FindPatch(address);
      if (patch == nullptr ||
          __atomic_load_n(slot.address, __ATOMIC_RELAXED) != HookOf(static_cast<int>(patch->function))) {
        return;
      }
      if (pages.Open(address, object.start, object.end)) {
        __atomic_store_n(slot.address, patch->before, __ATOMIC_RELEASE);
      }
    });
    pages.Restore();
  }
  g_patches.Shrink(g_patches.size());
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
  } while (g_look_again.load() && error == 0);
  return error;
}

}  // namespace

int SlotPatches::Apply() noexcept {
  if (!FindRealFunctions()) return ENOSYS;
  pthread_mutex_lock(&g_mutex);
  if (!g_installed) {
    g_coverage = {};
    g_problem_count = 0;
    g_installed = true;
  }
  const int error = ApplyLocked();
  pthread_mutex_unlock(&g_mutex);
  return error;
}

bool SlotPatches::TryApply() noexcept {
  // Not a wait: the one who holds the mutex may be waiting for the loader's lock, which a constructor that calls
  // dlopen holds above us.
  g_look_again.store(true);
  if (pthread_mutex_trylock(&g_mutex) != 0) return false;
  if (g_installed) ApplyLocked();
  pthread_mutex_unlock(&g_mutex);
  return true;
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
