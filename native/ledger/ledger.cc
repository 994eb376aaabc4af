#include "ledger/ledger.h"

#include <time.h>

#include <algorithm>
#include <cerrno>
#include <cmath>

#include "ledger/bss.h"
#include "proc/stack_pointers.h"

namespace tidemark {

namespace {

// v8::V8::GetVersion, which addons may call in every Node there is.
bool RunsV8() noexcept {
  static const bool runs_v8 = FindSymbol("_ZN2v82V810GetVersionEv") != nullptr;
  return runs_v8;
}

// `fact(i)` is the i-th mapping.
template <class Fact>
bool Assign(pid_t pid, size_t count, Fact&& fact, MappedArray<Owner>& owners, MappedArray<Pool>* pools) noexcept {
  MappedArray<MappingFacts> facts;
  if (count == 0) return true;
  if (facts.Append(count) == nullptr || owners.Append(count) == nullptr) return false;
  if (pools != nullptr && pools->Append(count) == nullptr) return false;
  for (size_t i = 0; i < count; i++) facts[i] = fact(i);
  AddressRange own[64];
  OwnerRules rules = {own, pid == 0 ? OwnRanges(own, 64) : 0};
  rules.has_v8 = pid == 0 && RunsV8();
  MappedArray<uint64_t> stacks;
  // Since Linux 6.7, which has PAGEMAP_SCAN too, stacks do not merge with other mappings.
  if (HasPagemapScan() && WantsStackPointers(facts.data(), count, rules)) {
    ReadStackPointers(pid, stacks);
    rules.stack_pointers = stacks.data();
    rules.stack_pointer_count = stacks.size();
  }
  AssignOwners(facts.data(), count, rules, owners.data(), pools == nullptr ? nullptr : pools->data());
  return true;
}

bool AssignGrowth(pid_t pid, const GrowthTable& table, MappedArray<Owner>& owners, MappedArray<Pool>* pools) noexcept {
  const auto fact = [&](size_t i) -> MappingFacts {
    const GrowthRow& row = table.rows[i];
    return {row.map.start,   row.map.end, row.map.inode, row.map.perms, table.names.At(row.map.name), {},
            row.malloc_chunk};
  };
  return Assign(pid, table.rows.size(), fact, owners, pools);
}

double ThreadNanos() noexcept {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

// Malloc's memory, mapping by mapping, into a ledger.
class PoolWalk {
 public:
  PoolWalk(pid_t pid, const GrowthTable& table, Ledger& ledger) noexcept
      : memory_(pid), marker_(pid), fast_(memory_), table_(table), ledger_(ledger) {}

  // False: memory may not be read.
  bool IsPossible() const noexcept { return memory_.error() == 0; }

  // To be called before any row is walked: chunks of one arena lie in several.
  void FindFastBins(const MappedArray<Pool>& pools) noexcept {
    const MapsRow* brk = nullptr;
    for (size_t i = 0; i < pools.size(); i++) {
      const MapsRow& row = table_.rows[i].map;
      if (pools[i] == Pool::kBrkHeap) brk = &row;
      if (pools[i] != Pool::kArenaHeaps) continue;
      for (uint64_t start = row.start; start < row.end; start += kArenaHeapBytes) AddArenaIn(start);
    }
    for (size_t i = 0; brk != nullptr && i < table_.rows.size(); i++) {
      if (!IsDataOfLibc(i)) continue;
      const bool bss = i + 1 < pools.size() && pools[i + 1] == Pool::kBss;
      fast_.AddMainArena(table_.rows[i].map.start, table_.rows[bss ? i + 1 : i].map.end, brk->start, brk->end);
    }
    fast_.Seal();
  }

  // Row `i`, in place of what the light ledger counts of it: that stands where this gives an errno. ENOMEM: the ledger
  // cannot be finished.
  int Walk(size_t i, Pool pool) noexcept {
    const MapsRow& row = table_.rows[i].map;
    const uint64_t end = pool == Pool::kArenaHeaps ? EndOfLastHeap(row) : row.end;
    if (!pages_.Reset(row.start, end)) return ENOMEM;
    const Failure failure = marker_.Mark(pages_);
    if (failure) return failure.error;
    WordReader words(memory_, pages_);
    if (pool == Pool::kBrkHeap) return WalkBrkHeap(words) ? 0 : ENOMEM;
    // Heaps that have filled up merge with each other, and where memory is not overcommitted with what lies before.
    for (uint64_t at = row.start; at < end;) {
      ArenaHeap heap;
      const uint64_t next = FindArenaHeap(words, at, end, patience_, heap);
      if (next > at) WalkRest(words, i, at, next, pool);
      if (next < end && !WalkArenaHeap(words, next, heap)) return ENOMEM;
      at = next + kArenaHeapBytes;
    }
    return 0;
  }

 private:
  double& Of(Owner owner) noexcept { return ledger_.bytes[static_cast<size_t>(owner)]; }

  // The arena whose first heap is at `start`. Its top lies in a heap that says whose it is.
  void AddArenaIn(uint64_t start) noexcept {
    uint64_t arena;
    uint64_t top;
    uint64_t owner;
    if (!fast_.ReadWord(start, arena) || arena / kArenaHeapBytes != start / kArenaHeapBytes) return;
    if (!fast_.ReadTop(arena, top) || !fast_.ReadWord(top / kArenaHeapBytes * kArenaHeapBytes, owner)) return;
    if (owner == arena) fast_.Add(arena);
  }

  bool IsDataOfLibc(size_t i) const noexcept {
    const MapsRow& row = table_.rows[i].map;
    const std::string_view path = table_.names.At(row.name);
    const std::string_view name = path.substr(path.rfind('/') + 1);
    return row.inode != 0 && row.perms == (kRead | kWrite) &&
           (name.starts_with("libc.so") || name.starts_with("libc-2."));
  }

  ArenaSums* ArenaAt(uint64_t address) noexcept {
    for (ArenaSums& arena : ledger_.arenas) {
      if (arena.address == address) return &arena;
    }
    ArenaSums* arena = ledger_.arenas.Append();
    if (arena != nullptr) *arena = {address, 0, {}};
    return arena;
  }

  void Add(ArenaSums& arena, const HeapSums& sums) noexcept {
    arena.heaps++;
    arena.sums.Add(sums);
    Of(Owner::kMalloc) += static_cast<double>(sums.live);
    Of(Owner::kMallocFree) += static_cast<double>(sums.free);
  }

  bool WalkBrkHeap(WordReader& words) noexcept {
    ArenaSums* main = ArenaAt(0);
    if (main == nullptr) return false;
    HeapSums sums;
    WalkHeap(words, pages_, fast_, pages_.start(), pages_.end(), patience_, sums);
    Add(*main, sums);
    return true;
  }

  // An arena's heap may have grown since, into the reserve that is its own, and may grow on for as long as the row is
  // walked. All of the reserve would be 64 MiB to look at for the 132 KiB that an idle arena has.
  uint64_t EndOfLastHeap(const MapsRow& row) noexcept {
    const uint64_t start = (row.end - 1) / kArenaHeapBytes * kArenaHeapBytes;
    uint64_t size = 0;
    if (memory_.IsResident(start)) memory_.Read(start + kArenaHeapSizeOffset, &size, sizeof size);
    const uint64_t meanwhile = std::max(row.end - row.start, uint64_t{2} << 20);
    return std::clamp(start + std::min(size, kArenaHeapBytes) + meanwhile, row.end, start + kArenaHeapBytes);
  }

  // The first heap of an arena at `from` or behind; `end` where there is none.
  static uint64_t FindArenaHeap(WordReader& words, uint64_t from, uint64_t end, Patience& patience,
                                ArenaHeap& heap) noexcept {
    uint64_t at = (from + kArenaHeapBytes - 1) / kArenaHeapBytes * kArenaHeapBytes;
    while (at < end && !ReadArenaHeap(words, at, end, patience, heap)) at += kArenaHeapBytes;
    return std::min(at, end);
  }

  bool WalkArenaHeap(WordReader& words, uint64_t start, const ArenaHeap& heap) noexcept {
    ArenaSums* arena = ArenaAt(heap.arena);
    if (arena == nullptr) return false;
    HeapSums sums;
    sums.live = pages_.Bytes(start, heap.first);  // what describes the heap
    WalkHeap(words, pages_, fast_, heap.first, heap.end, patience_, sums);
    // A heap that shrank keeps its mapping, and perhaps some pages of it.
    sums.free += pages_.Bytes(heap.end, std::min(start + kArenaHeapBytes, pages_.end()));
    Add(*arena, sums);
    return true;
  }

  // What of row `i` is no arena's.
  void WalkRest(WordReader& words, size_t i, uint64_t from, uint64_t to, Pool pool) noexcept {
    AnonymousSums sums;
    WalkAnonymous(memory_, words, pages_, fast_, from, to, patience_, sums);
    ledger_.anonymous.Add(sums);
    Of(Owner::kMalloc) += static_cast<double>(sums.blocks_resident + sums.heaps.live);
    Of(Owner::kMallocFree) += static_cast<double>(sums.heaps.free);
    uint64_t bss = 0;
    if (pool == Pool::kBss && from == pages_.start()) {
      bss = std::min(sums.other, pages_.Bytes(from, std::clamp(EndOfBssOf(i), from, to)));
    }
    Of(Owner::kProgram) += static_cast<double>(bss);
    Of(Owner::kMmap) += static_cast<double>(sums.other - bss);
  }

  // Row `i` lies behind a file's writable pages. 0 where it is no binary's; all of the row where that cannot be read,
  // or only from the file: that would add to RSS, and wait for ever where the file's server does not answer.
  uint64_t EndOfBssOf(size_t i) noexcept {
    const uint64_t inode = table_.rows[i - 1].map.inode;
    for (size_t k = i; k > 0 && i - k < 16; k--) {
      const MapsRow& row = table_.rows[k - 1].map;
      if (row.inode != inode || row.offset != 0) continue;
      const size_t size = memory_.IsResident(row.start) ? memory_.Read(row.start, header_, sizeof header_) : 0;
      if (size == 0) return table_.rows[i].map.end;
      return EndOfBss(header_, size, row.start, table_.rows[i].map.start, PageSize());
    }
    return 0;
  }

  ProcessMemory memory_;
  PageMarker marker_;
  ResidentPages pages_;
  FastBins fast_;
  Patience patience_;
  const GrowthTable& table_;
  Ledger& ledger_;
  char header_[4096];
};

// Other allocators keep their memory in mappings of their own, among which nothing tells what native code has mapped
// directly. Their counters are virtual: right as far as the program touches what it allocates.
void SplitByCounters(const AllocatorCounters& counters, double (&bytes)[static_cast<size_t>(Owner::kCount)]) noexcept {
  double& malloc = bytes[static_cast<size_t>(Owner::kMalloc)];
  if (std::isnan(counters.live)) return;
  const double metadata = std::isnan(counters.metadata) ? 0 : counters.metadata;
  const double live = std::min(malloc, counters.live + metadata);
  bytes[static_cast<size_t>(Owner::kMallocFree)] += malloc - live;
  malloc = live;
}

// Whether the bits of a walk would cost this host more than they tell: 3 MiB for 64 GiB of addresses, 6 GB for all that
// a process may reserve (a sanitizer's shadow has 14 TiB). Of memory that is in use they are 0.3 % at most.
bool IsSparse(const GrowthRow& row) noexcept {
  constexpr uint64_t kLarge = uint64_t{64} << 30;
  const uint64_t size = row.map.end - row.map.start;
  return size > kLarge && row.anon < size / 64;
}

// What is not walked leaves `pools`: the light ledger's count of it stands. False: no memory. What was needed for the
// walk is given back by then: RSS is read next.
bool WalkPools(pid_t pid, const GrowthTable& table, MappedArray<Pool>& pools, Ledger& ledger) noexcept {
  PoolWalk walk(pid, table, ledger);
  ledger.walked = walk.IsPossible();
  if (!ledger.walked) return true;
  for (size_t i = 0; i < pools.size(); i++) {
    if (IsSparse(table.rows[i])) pools[i] = Pool::kNone;
  }
  walk.FindFastBins(pools);
  for (size_t i = 0; i < table.rows.size(); i++) {
    if (pools[i] == Pool::kNone || table.rows[i].anon == 0) continue;
    const int error = walk.Walk(i, pools[i]);
    if (error == ENOMEM) return false;
    if (error != 0) pools[i] = Pool::kNone;
  }
  return true;
}

}  // namespace

bool AssignGrowthOwners(pid_t pid, const GrowthTable& table, MappedArray<Owner>& owners) noexcept {
  return AssignGrowth(pid, table, owners, nullptr);
}

bool AssignSmapsOwners(pid_t pid, SmapsTable& table) noexcept {
  MappedArray<Owner> owners;
  const auto fact = [&](size_t i) -> MappingFacts {
    const double* cell = table.rows[i].cell;
    const auto string = [](const StringTable& strings, double id) {
      return id < static_cast<double>(strings.size()) ? strings.At(static_cast<size_t>(id)) : std::string_view();
    };
    return {static_cast<uint64_t>(cell[kStart]), static_cast<uint64_t>(cell[kEnd]), static_cast<uint64_t>(cell[kInode]),
            static_cast<uint32_t>(cell[kPerms]), string(table.names, cell[kName]), string(table.flags, cell[kFlags]),
            // smaps does not look inside; large blocks of malloc are far more common than other direct mappings
            true};
  };
  if (!Assign(pid, table.rows.size(), fact, owners, nullptr)) return false;
  for (size_t i = 0; i < owners.size(); i++) table.rows[i].cell[kOwner] = static_cast<double>(owners[i]);
  return true;
}

Failure ReadLedger(pid_t pid, Depth depth, Ledger& ledger) noexcept {
  const double began = ThreadNanos();
  ledger = {};
  GrowthTable table;
  Failure failure = ReadGrowthTable(pid, table);
  if (failure) return failure;
  MemoryStatus status;
  failure = ReadStatus(pid, status);
  if (failure) return failure;
  MappedArray<Owner> owners;
  MappedArray<Pool> pools;
  const Failure no_memory = FailureAt(ProcPath(pid, "maps"), ENOMEM);
  if (!AssignGrowth(pid, table, owners, &pools)) return no_memory;

  ledger.allocator = pid == 0 ? OwnAllocator() : AllocatorFromMappings(table.names);
  // Where nothing tells, a heap of glibc's is looked for: what is none has no chunks.
  if (depth == Depth::kWhole && (ledger.allocator == Allocator::kGlibc || ledger.allocator == Allocator::kUnknown)) {
    if (!WalkPools(pid, table, pools, ledger)) return no_memory;
    failure = ReadUsage(pid, table.after);
    if (failure) return failure;
  }

  ledger.usage = {(table.before.rss + table.after.rss) / 2, (table.before.anon + table.after.anon) / 2,
                  (table.before.file + table.after.file) / 2};
  ledger.moved = table.after.rss - table.before.rss;
  ledger.shmem = std::min(status.shmem, ledger.usage.file);
  ledger.swap = status.swap;
  ledger.mappings = table.rows.size();
  ledger.source = table.source;

  const bool is_foreign = ledger.allocator != Allocator::kUnknown && ledger.allocator != Allocator::kGlibc;
  const auto of = [&](Owner owner) -> double& { return ledger.bytes[static_cast<size_t>(owner)]; };
  for (size_t i = 0; i < table.rows.size(); i++) {
    if (ledger.walked && pools[i] != Pool::kNone) continue;
    // Pages of files and of shared memory are known in total only; a copied page of a memfd is anonymous all the same.
    Owner owner = owners[i] == Owner::kFile || owners[i] == Owner::kShmem ? Owner::kProgram : owners[i];
    if (owner == Owner::kMmap && is_foreign && pools[i] == Pool::kAnonymous) owner = Owner::kMalloc;
    of(owner) += static_cast<double>(table.rows[i].anon);
  }
  if (is_foreign && pid == 0 && depth == Depth::kWhole && ReadAllocatorCounters(ledger.counters)) {
    SplitByCounters(ledger.counters, ledger.bytes);
  }
  of(Owner::kFile) = ledger.usage.file - ledger.shmem;
  of(Owner::kShmem) = ledger.shmem;
  double sum = 0;
  for (const double bytes : ledger.bytes) sum += bytes;
  of(Owner::kUnexplained) = ledger.usage.rss - sum;
  ledger.cpu_nanos = ThreadNanos() - began;
  return {};
}

}  // namespace tidemark
