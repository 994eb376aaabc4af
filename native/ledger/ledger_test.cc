#include "ledger/ledger.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>

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
  OwnMapping own(8 << 20);
  std::memset(own.data(), 1, own.size());
  Ledger ledger;
  ASSERT_FALSE(ReadLedger(0, Depth::kLight, ledger));
  EXPECT_GE(Of(ledger, Owner::kProfiler), 8 * kMiB);
  EXPECT_LT(Of(ledger, Owner::kProfiler), 10 * kMiB);  // its own buffers and tables
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

TEST(Ledger, OfAProcessThatIsNotThereFails) {
  Ledger ledger;
  EXPECT_TRUE(ReadLedger(0x7fffffff, Depth::kLight, ledger));
}

}  // namespace
}  // namespace tidemark
