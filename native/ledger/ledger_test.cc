#include "ledger/ledger.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>

#include "proc/exit_as_tested.h"
#include "proc/forbidden_calls.h"

namespace tidemark {
namespace {

constexpr double kMiB = 1 << 20;

double Sum(const Ledger& ledger) {
  double sum = 0;
  for (const double bytes : ledger.bytes) sum += bytes;
  return sum;
}

double Of(const Ledger& ledger, Owner owner) { return ledger.bytes[static_cast<size_t>(owner)]; }

TEST(Ledger, SumsToRssExactlyInThisProcessAndFromOutside) {
  for (const pid_t pid : {0, getpid()}) {
    Ledger ledger;
    ASSERT_FALSE(ReadLedger(pid, Depth::kLight, ledger));
    EXPECT_EQ(Sum(ledger), ledger.usage.rss);
    EXPECT_GT(ledger.usage.rss, 0);
    EXPECT_GT(ledger.mappings, 0u);
    EXPECT_EQ(Of(ledger, Owner::kFile) + Of(ledger, Owner::kShmem), ledger.usage.file);
  }
}

// Of a process that stands still only the kernel's batched counters are left to explain: up to 64 pages or so a CPU.
TEST(Ledger, LeavesLittleUnexplainedInAProcessThatStandsStill) {
  void* memory = mmap(nullptr, 128 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  std::memset(memory, 1, 128 << 20);
  const pid_t child = fork();
  if (child == 0) {
    for (;;) pause();
  }
  Ledger ledger;
  const Failure failure = ReadLedger(child, Depth::kLight, ledger);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  munmap(memory, 128 << 20);
  ASSERT_FALSE(failure);
  EXPECT_GT(ledger.usage.rss, 128 * kMiB);
  EXPECT_NEAR(Of(ledger, Owner::kUnexplained), 0, 2 * kMiB);
}

TEST(Ledger, CountsOurOwnMemoryAsTheProfilersAndAnotherProcessHasNone) {
  Ledger ledger;
  ASSERT_FALSE(ReadLedger(0, Depth::kLight, ledger));  // whose buffers stay
  ASSERT_FALSE(ReadLedger(0, Depth::kLight, ledger));
  const double before = Of(ledger, Owner::kProfiler);
  OwnMapping own(8 << 20);
  std::memset(own.data(), 1, own.size());
  ASSERT_FALSE(ReadLedger(0, Depth::kLight, ledger));
  EXPECT_NEAR(Of(ledger, Owner::kProfiler) - before, 8 * kMiB, kMiB / 16);
  ASSERT_FALSE(ReadLedger(getpid(), Depth::kLight, ledger));
  EXPECT_EQ(Of(ledger, Owner::kProfiler), 0);
}

TEST(Ledger, CountsSharedMemoryOnce) {
  constexpr size_t kBytes = 16 << 20;
  Ledger before;
  ASSERT_FALSE(ReadLedger(0, Depth::kLight, before));
  void* memory = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  std::memset(memory, 1, kBytes);
  Ledger after;
  ASSERT_FALSE(ReadLedger(0, Depth::kLight, after));
  munmap(memory, kBytes);
  // statm and status are approximate by a batch of pages a CPU.
  EXPECT_NEAR(Of(after, Owner::kShmem) - Of(before, Owner::kShmem), 16 * kMiB, kMiB);
  EXPECT_NEAR(Of(after, Owner::kFile) - Of(before, Owner::kFile), 0, kMiB);
  EXPECT_EQ(Sum(after), after.usage.rss);
}

// A child that stands still with what `prepare` maps, and `look(its pid)` from here.
template <class Prepare, class Look>
void AtAChild(Prepare&& prepare, Look&& look) {
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prepare();
    if (write(ready[1], "", 1) != 1) _exit(1);
    for (;;) pause();
  }
  close(ready[1]);
  char byte;
  EXPECT_EQ(read(ready[0], &byte, 1), 1) << "the child has ended";
  close(ready[0]);
  look(child);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
}

char* Map(uint64_t address, uint64_t bytes) {
  void* memory = mmap(reinterpret_cast<void*>(address), bytes, PROT_READ | PROT_WRITE,  // NOLINT
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (address != 0 ? MAP_FIXED_NOREPLACE : 0), -1, 0);
  if (memory == MAP_FAILED) _exit(2);
  return static_cast<char*>(memory);
}

// Where `bytes` of nothing lie, and nothing touches them.
uint64_t Nowhere(uint64_t bytes) {
  const uint64_t room = bytes + 2 * kArenaHeapBytes;
  void* memory = mmap(nullptr, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  munmap(memory, room);
  return (reinterpret_cast<uint64_t>(memory) / kArenaHeapBytes + 1) * kArenaHeapBytes;
}

// Of a process that reserves much more than it touches, as a sanitizer does, or somebody who wishes this host ill.
TEST(LedgerDeathTest, TakesNoMemoryForWhatIsReservedAndCountsWhatIsTouchedOfIt) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  const auto compare = [](bool aligned) {
    constexpr uint64_t kReserve = uint64_t{8} << 40;
    const uint64_t start = Nowhere(kReserve) + (aligned ? 0 : uint64_t{2} << 20);
    const auto prepare = [&] { std::memset(Map(start, kReserve), 1, 8 << 20); };
    AtAChild(prepare, [](pid_t pid) {
      rusage before;
      getrusage(RUSAGE_SELF, &before);
      Ledger ledger;
      ASSERT_FALSE(ReadLedger(pid, Depth::kWhole, ledger));
      rusage after;
      getrusage(RUSAGE_SELF, &after);
      EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 32 << 10);  // KiB
      EXPECT_TRUE(ledger.walked);
      EXPECT_GE(Of(ledger, Owner::kMmap), 8 * kMiB);
      EXPECT_NEAR(Of(ledger, Owner::kUnexplained), 0, 2 * kMiB);
    });
    ExitAsTested();
  };
  EXPECT_EXIT(compare(false), testing::ExitedWithCode(0), "");
  EXPECT_EXIT(compare(true), testing::ExitedWithCode(0), "") << "where the heaps of an arena may lie";
}

// The last descriptor that may be opened goes to /proc/PID/mem, and none is left for pagemap.
TEST(LedgerDeathTest, KeepsTheLightCountOfWhatCannotBeLookedAtPageByPage) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  const auto compare = [] {
    Forbid({__NR_process_vm_writev, __NR_process_vm_readv});
    AtAChild([] { std::memset(Map(0, 16 << 20), 1, 16 << 20); },
             [](pid_t pid) {
               HasPagemapScan();  // is asked once, of a file of its own
               const int next = dup(0);
               close(next);
               const auto limit = static_cast<rlim_t>(next) + 1;
               const rlimit one_more = {limit, limit};
               ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &one_more), 0);
               Ledger ledger;
               ASSERT_FALSE(ReadLedger(pid, Depth::kWhole, ledger));
               EXPECT_TRUE(ledger.walked);
               EXPECT_GE(Of(ledger, Owner::kMmap), 16 * kMiB);
               EXPECT_NEAR(Of(ledger, Owner::kUnexplained), 0, 2 * kMiB);
             });
    ExitAsTested();
  };
  EXPECT_EXIT(compare(), testing::ExitedWithCode(0), "");
}

// A full heap of the arena whose first heap is at `first`: a live chunk of which 8 MiB are touched, behind some small.
void WriteHeap(uint64_t at, uint64_t first) {
  char* heap = reinterpret_cast<char*>(at);  // NOLINT(performance-no-int-to-ptr)
  std::memset(heap, 1, 8 << 20);
  const auto word = [&](uint64_t offset, uint64_t value) { std::memcpy(heap + offset, &value, sizeof value); };
  word(0, first + 0x30);
  word(8, 0);
  word(16, kArenaHeapBytes);
  uint64_t chunk = 0x40;
  const auto add = [&](uint64_t size) {
    word(chunk + 8, size | 1);
    chunk += size;
  };
  for (int i = 0; i < 60; i++) add(0x30);
  add(kArenaHeapBytes - 0x10000 - chunk);
  add(0x10000);  // the top
}

TEST(Ledger, FindsTheHeapsOfArenasInARowWhateverLiesBeforeThemInIt) {
  const uint64_t first = Nowhere(5 * kArenaHeapBytes) + kArenaHeapBytes;
  for (const uint64_t before : {uint64_t{0}, uint64_t{3} << 20}) {
    const auto prepare = [&] {
      Map(first - before, before + 3 * kArenaHeapBytes);
      WriteHeap(first, first);
      // One that cannot be followed.
      std::memset(reinterpret_cast<char*>(first + kArenaHeapBytes), 1, 8 << 20);  // NOLINT(performance-no-int-to-ptr)
      WriteHeap(first + 2 * kArenaHeapBytes, first);
    };
    AtAChild(prepare, [&](pid_t pid) {
      Ledger ledger;
      ASSERT_FALSE(ReadLedger(pid, Depth::kWhole, ledger));
      uint64_t heaps = 0;
      for (const ArenaSums& arena : ledger.arenas) {
        if (arena.address != first + 0x30) continue;
        heaps = arena.heaps;
        EXPECT_EQ(arena.sums.live, uint64_t{16} << 20);
      }
      EXPECT_EQ(heaps, 2u) << before << " bytes before";
    });
  }
}

TEST(Ledger, BringsInNoPageOfAFileToFindTheEndOfItsZeroedData) {
  const uint64_t page = PageSize();
  const uint64_t start = Nowhere(64 * page);
  const int file = memfd_create("file", MFD_CLOEXEC);
  for (uint64_t i = 0; i < 32 * page; i += 8) ASSERT_EQ(write(file, "8 bytes.", 8), 8);
  const auto prepare = [&] {
    const auto map_file = [&](uint64_t at, uint64_t bytes, int protection, uint64_t offset) {
      void* memory = mmap(reinterpret_cast<void*>(at), bytes, protection,  // NOLINT(performance-no-int-to-ptr)
                          MAP_PRIVATE | MAP_FIXED_NOREPLACE, file, static_cast<off_t>(offset));
      if (memory == MAP_FAILED) _exit(2);
    };
    map_file(start, 16 * page, PROT_READ, 0);
    map_file(start + 16 * page, 16 * page, PROT_READ | PROT_WRITE, 16 * page);
    std::memset(Map(start + 32 * page, 16 * page), 1, 16 * page);
  };
  AtAChild(prepare, [&](pid_t pid) {
    Ledger ledger;
    ASSERT_FALSE(ReadLedger(pid, Depth::kWhole, ledger));
    EXPECT_TRUE(ledger.walked);
    EXPECT_FALSE(ProcessMemory(pid).IsResident(start));
  });
  close(file);
}

TEST(Ledger, OfAProcessThatIsNotThereFails) {
  Ledger ledger;
  EXPECT_TRUE(ReadLedger(0x7fffffff, Depth::kLight, ledger));
}

}  // namespace
}  // namespace tidemark
