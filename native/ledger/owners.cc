#include "ledger/owners.h"

#include <algorithm>
#include <bit>

#include "proc/maps.h"

namespace tidemark {
namespace {

constexpr uint64_t kKiB = 1024;
constexpr uint64_t kMiB = 1024 * kKiB;
constexpr uint64_t kGiB = 1024 * kMiB;

// V8 asks for addresses below 2^46 at random, on arm64 below 2^38 (GetRandomMmapAddr, platform-posix.cc); the kernel
// places everything else at the top of the address space.
constexpr uint64_t kEndOfV8Hints = 0x400000000000;
// Mimalloc does as well, and aligns its segments (MI_SEGMENT_SIZE); a page of V8's heap is 256 KiB.
constexpr uint64_t kMimallocSegment = 32 * kMiB;
constexpr uint64_t kLeastOfMimalloc = 4 * kMiB;
constexpr uint64_t kArenaHeap = 64 * kMiB;     // glibc HEAP_MAX_SIZE
constexpr uint64_t kLargestHeaps = 64 * kGiB;  // full heaps that merged; what is larger is somebody's reserve
constexpr uint64_t kLargestGuard = 1 * kMiB;   // a thread's stack guard; a reserve is larger
constexpr uint64_t kLargestBss = 1 * kMiB;     // mallocs merge behind a .bss: a larger one is mostly they
constexpr uint64_t kWasmGuard = 2 * kGiB;      // on either side of a wasm memory
constexpr uint64_t kWasmReserve = 4 * kGiB;    // behind one, whatever is before it
constexpr uint64_t kStackSizes[] = {8 * kMiB, 4 * kMiB, 32 * kKiB};  // pthread, Node's workers, its signal thread

bool StartsWith(std::string_view s, std::string_view prefix) noexcept { return s.substr(0, prefix.size()) == prefix; }

bool HasFlag(const MappingFacts& m, std::string_view flag) noexcept {
  for (size_t i = 0; i + 2 <= m.flags.size(); i += 3) {
    if (m.flags.substr(i, 2) == flag) return true;
  }
  return false;
}

uint64_t Size(const MappingFacts& m) noexcept { return m.end - m.start; }
bool IsReserve(const MappingFacts& m) noexcept { return (m.perms & (kRead | kWrite | kExecute)) == 0; }
bool IsReadWrite(const MappingFacts& m) noexcept { return (m.perms & (kRead | kWrite)) == (kRead | kWrite); }
bool IsAnonymous(const MappingFacts& m) noexcept {
  return m.inode == 0 && (m.perms & kShared) == 0 && (m.name.empty() || StartsWith(m.name, "[anon:"));
}

// Of node20, node-22 and node-v24.1.0: what comes behind the program's name. A deleted one is "node (deleted)".
bool IsVersion(std::string_view rest) noexcept {
  if (rest.empty() || rest[0] == ' ') return true;
  if (rest[0] == '-') rest.remove_prefix(1);
  if (StartsWith(rest, "v")) rest.remove_prefix(1);
  return !rest.empty() && rest[0] >= '0' && rest[0] <= '9';
}

bool IsV8Program(std::string_view name) noexcept {
  const std::string_view base = name.substr(name.rfind('/') + 1);
  for (const std::string_view program : {"node", "nodejs", "electron", "deno"}) {
    if (StartsWith(base, program) && IsVersion(base.substr(program.size()))) return true;
  }
  return StartsWith(base, "libnode.so");
}

class Layout {
 public:
  Layout(const MappingFacts* facts, size_t count, const OwnerRules& rules) noexcept
      : facts_(facts), count_(count), rules_(rules), has_v8_(rules.has_v8) {
    for (size_t i = 0; i < count; i++) {
      if (facts[i].name == "[heap]") end_of_brk_ = facts[i].end;
      // Just below the end of the address space: some arm64 kernels have no more than 2^39 bytes of it.
      if (facts[i].name == "[stack]") end_of_hints_ = std::min(kEndOfV8Hints, std::bit_ceil(facts[i].end) / 2);
      if (facts[i].inode != 0 && IsV8Program(facts[i].name)) has_v8_ = true;
      if (facts[i].name.find("/libmimalloc") != std::string_view::npos) has_mimalloc_ = true;
    }
    // A position-independent Node has its brk heap above all of V8's addresses.
    if (end_of_brk_ >= end_of_hints_) end_of_brk_ = 0;
  }

  struct Assignment {
    Owner owner;
    Pool pool = Pool::kNone;
  };

  Assignment Of(size_t i) const noexcept {
    const MappingFacts& m = facts_[i];
    if (IsOwn(m)) return {Owner::kProfiler};
    if (m.name == "[stack]" || StartsWith(m.name, "[stack:")) return {Owner::kThreadStacks};
    if (m.name == "[heap]") return {Owner::kMalloc, Pool::kBrkHeap};
    if (!IsAnonymous(m)) return {OwnerOfNamed(m)};
    if (has_v8_) {
      const Owner owner = OwnerInV8(i);
      if (owner != Owner::kCount) return {owner};
    }
    if (IsArenaHeap(i)) return {Owner::kMalloc, Pool::kArenaHeaps};
    if (IsThreadStack(i)) return {Owner::kThreadStacks};
    if (IsBss(i)) return {Size(m) <= kLargestBss ? Owner::kProgram : OwnerOfChunk(m), Pool::kBss};
    return {OwnerOfChunk(m), m.perms == (kRead | kWrite) ? Pool::kAnonymous : Pool::kNone};
  }

  bool WantsStackPointers() const noexcept {
    for (size_t i = 0; i < count_; i++) {
      if (MayBeStack(i)) return true;
    }
    return false;
  }

 private:
  bool IsOwn(const MappingFacts& m) const noexcept {
    for (size_t k = 0; k < rules_.own_count; k++) {
      if (m.start >= rules_.own[k].start && m.end <= rules_.own[k].end) return true;
    }
    return false;
  }

  static Owner OwnerOfChunk(const MappingFacts& m) noexcept { return m.malloc_chunk ? Owner::kMalloc : Owner::kMmap; }

  static Owner OwnerOfNamed(const MappingFacts& m) noexcept {
    for (const std::string_view shared : {"/memfd:", "/dev/shm/", "/SYSV", "/dev/zero"}) {
      if (StartsWith(m.name, shared)) return Owner::kShmem;
    }
    if ((m.perms & kShared) != 0) return m.name.empty() ? Owner::kShmem : Owner::kFile;
    return m.inode != 0 ? Owner::kProgram : Owner::kFile;  // [vdso] and the like: the kernel's
  }

  // kCount: none of V8's.
  Owner OwnerInV8(size_t i) const noexcept {
    const MappingFacts& m = facts_[i];
    if (!m.flags.empty() && !HasFlag(m, "dc")) return Owner::kCount;  // V8 marks all of its memory MADV_DONTFORK
    if (m.flags.empty() && has_mimalloc_ && m.start < end_of_hints_ && IsMimallocs(i)) return Owner::kCount;
    // Without flags, what is not V8's must be told from where it lies: a block of malloc may lie between the reserves
    // of two wasm memories, a stack or an arena against the code range.
    const bool guess = m.flags.empty() && m.start >= end_of_hints_;
    if (guess && m.malloc_chunk) return Owner::kCount;
    // Before the code range: the reserves of a wasm memory can touch it.
    const uint64_t before = ReserveBefore(i);
    const uint64_t behind = ReserveBehind(i);
    if (IsReadWrite(m) && ((before >= kWasmGuard && behind >= kWasmGuard) || behind >= kWasmReserve)) {
      return Owner::kWasm;
    }
    if (guess && (IsArenaHeap(i) || IsThreadStack(i))) return Owner::kCount;
    if (guess ? IsCode(i) : InCodeRange(i)) return Owner::kJsCode;
    if (m.start >= end_of_brk_ && m.start < end_of_hints_) return Owner::kJsHeap;
    // V8's table of functions (Node 24) ends in a reserve too, but begins with a read-only part.
    if (BehindReadOnly(i)) return Owner::kJsHeap;
    // A resizable ArrayBuffer ends in the reserve that it may grow into. A small reserve with memory behind it is more
    // likely the guard of the next thread's stack; one that goes on read-only is V8's, for a table that is empty yet.
    const bool goes_on = behind > 0 && i + 2 < count_ && facts_[i + 2].start == facts_[i + 1].end;
    const bool guard = goes_on && behind <= kLargestGuard && IsReadWrite(facts_[i + 2]);
    const bool table = goes_on && guess && facts_[i + 2].perms == kRead && IsAnonymous(facts_[i + 2]);
    if (IsReadWrite(m) && behind > 0 && !guard && !table && !IsArenaHeap(i)) return Owner::kArrayBuffers;
    return m.flags.empty() ? Owner::kCount : Owner::kJsHeap;
  }

  // Whether the touching mappings around this one begin with a segment and are too many for a page of V8's heap.
  bool IsMimallocs(size_t i) const noexcept {
    constexpr size_t kFar = 256;
    const auto touch = [&](size_t k) {
      return facts_[k].end == facts_[k + 1].start && IsAnonymous(facts_[k]) && IsAnonymous(facts_[k + 1]);
    };
    size_t first = i;
    while (first > 0 && i - first < kFar && touch(first - 1)) first--;
    size_t last = i;
    while (last + 1 < count_ && last - i < kFar && touch(last)) last++;
    const bool begins_with_segment = facts_[first].start % kMimallocSegment == 0 || i - first == kFar;
    return begins_with_segment && facts_[last].end - facts_[first].start >= kLeastOfMimalloc;
  }

  bool IsCode(size_t i) const noexcept { return IsAnonymous(facts_[i]) && (facts_[i].perms & kExecute) != 0; }

  // V8's machine code lies in one run of touching mappings around an executable one. The run is followed a few
  // mappings far only: a process may have thousands that touch. Whether it is V8's as far as the run goes only flags
  // say: what jemalloc has mapped may touch it as well.
  bool InCodeRange(size_t i) const noexcept {
    constexpr size_t kFar = 16;
    if (IsCode(i)) return true;
    for (size_t k = i; k > 0 && i - k < kFar && Continues(k - 1); k--) {
      if (IsCode(k - 1)) return true;
    }
    for (size_t k = i; k + 1 < count_ && k - i < kFar && Continues(k); k++) {
      if (IsCode(k + 1)) return true;
    }
    return false;
  }

  // Whether mappings k and k + 1 touch and both hold something.
  bool Continues(size_t k) const noexcept {
    return facts_[k].end == facts_[k + 1].start && !IsReserve(facts_[k]) && !IsReserve(facts_[k + 1]);
  }

  bool IsArenaHeap(size_t i) const noexcept {
    const MappingFacts& m = facts_[i];
    if (m.start % kArenaHeap != 0 || m.perms != (kRead | kWrite) || Size(m) > kLargestHeaps) return false;
    // The reserve may go on a little: inaccessible neighbours merge, our guard pages among them.
    const uint64_t end_of_heap = (m.end + kArenaHeap - 1) / kArenaHeap * kArenaHeap;
    const uint64_t end_of_reserve = m.end + ReserveBehind(i);
    return end_of_reserve >= end_of_heap && end_of_reserve - end_of_heap <= kLargestGuard;
  }

  bool IsThreadStack(size_t i) const noexcept {
    const MappingFacts& m = facts_[i];
    if (!m.flags.empty() && HasFlag(m, "nh")) return true;  // MAP_STACK, Linux 6.7 and later
    return IsBehindGuard(i) && (HasCommonSize(m) || HoldsStackPointer(m));
  }

  bool IsBehindGuard(size_t i) const noexcept {
    const uint64_t guard = ReserveBefore(i);
    return guard > 0 && guard <= kLargestGuard && IsReadWrite(facts_[i]);
  }

  static bool HasCommonSize(const MappingFacts& m) noexcept {
    for (const uint64_t size : kStackSizes) {
      if (Size(m) == size) return true;
    }
    return false;
  }

  bool HoldsStackPointer(const MappingFacts& m) const noexcept {
    for (size_t k = 0; k < rules_.stack_pointer_count; k++) {
      if (rules_.stack_pointers[k] >= m.start && rules_.stack_pointers[k] < m.end) return true;
    }
    return false;
  }

  // Behind a guard, of no common size, and nobody's whom the rules before that of stacks know.
  bool MayBeStack(size_t i) const noexcept {
    const MappingFacts& m = facts_[i];
    return m.flags.empty() && IsAnonymous(m) && !IsOwn(m) && IsBehindGuard(i) && !HasCommonSize(m) && !IsArenaHeap(i) &&
           !(has_v8_ && m.start >= end_of_brk_ && m.start < end_of_hints_);
  }

  // Shared memory is no binary's data: the rings of io_uring are files to the kernel, and writable.
  bool IsBss(size_t i) const noexcept {
    if (i == 0) return false;
    const MappingFacts& data = facts_[i - 1];
    return data.end == facts_[i].start && data.inode != 0 && (data.perms & kShared) == 0 && IsReadWrite(data) &&
           IsReadWrite(facts_[i]);
  }

  bool BehindReadOnly(size_t i) const noexcept {
    return i > 0 && facts_[i - 1].end == facts_[i].start && facts_[i - 1].perms == kRead && IsAnonymous(facts_[i - 1]);
  }

  uint64_t ReserveBefore(size_t i) const noexcept {
    const bool touches = i > 0 && facts_[i - 1].end == facts_[i].start && IsReserve(facts_[i - 1]);
    return touches ? Size(facts_[i - 1]) : 0;
  }

  uint64_t ReserveBehind(size_t i) const noexcept {
    const bool touches = i + 1 < count_ && facts_[i].end == facts_[i + 1].start && IsReserve(facts_[i + 1]);
    return touches ? Size(facts_[i + 1]) : 0;
  }

  const MappingFacts* facts_;
  size_t count_;
  const OwnerRules& rules_;
  uint64_t end_of_brk_ = 0;
  uint64_t end_of_hints_ = kEndOfV8Hints;
  bool has_v8_;
  bool has_mimalloc_ = false;
};

}  // namespace

bool WantsStackPointers(const MappingFacts* facts, size_t count, const OwnerRules& rules) noexcept {
  return Layout(facts, count, rules).WantsStackPointers();
}

void AssignOwners(const MappingFacts* facts, size_t count, const OwnerRules& rules, Owner* owners,
                  Pool* pools) noexcept {
  const Layout layout(facts, count, rules);
  for (size_t i = 0; i < count; i++) {
    const auto [owner, pool] = layout.Of(i);
    owners[i] = owner;
    if (pools != nullptr) pools[i] = pool;
  }
}

}  // namespace tidemark
