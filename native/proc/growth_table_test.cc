#include "proc/growth_table.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <thread>

#include "proc/smaps.h"

namespace tidemark {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kMiB = 1 << 20;

const GrowthRow* RowAt(const GrowthTable& table, const void* address) {
  const uint64_t start = reinterpret_cast<uint64_t>(address);
  for (const GrowthRow& row : table.rows) {
    if (row.map.start == start) return &row;
  }
  return nullptr;
}

// A mapping with an inaccessible page on both sides, so that it has a row of its own.
char* Map(uint64_t bytes) {
  char* outer = static_cast<char*>(mmap(nullptr, bytes + 2 * kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  mprotect(outer + kPage, bytes, PROT_READ | PROT_WRITE);
  return outer + kPage;
}

void Unmap(char* memory, uint64_t bytes) { munmap(memory - kPage, bytes + 2 * kPage); }

// The child of a fork, with the memory of its parent, until the object goes.
class StoppedChild {
 public:
  StoppedChild() : pid_(fork()) {
    if (pid_ == 0) {
      for (;;) pause();
    }
  }
  ~StoppedChild() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  StoppedChild(const StoppedChild&) = delete;
  StoppedChild& operator=(const StoppedChild&) = delete;
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_;
};

TEST(ReadGrowthTable, CountsTouchedMemoryInThisProcessAndFromOutside) {
  char* touched = Map(64 * kMiB);
  char* untouched = Map(64 * kMiB);
  std::memset(touched, 1, 64 * kMiB);
  {
    const StoppedChild child;
    for (const pid_t pid : {0, child.pid()}) {
      GrowthTable table;
      ASSERT_FALSE(ReadGrowthTable(pid, table));
      ASSERT_NE(RowAt(table, touched), nullptr);
      EXPECT_EQ(RowAt(table, touched)->anon, 64 * kMiB) << "pid " << pid;
      EXPECT_EQ(RowAt(table, untouched)->anon, 0u) << "pid " << pid;
      EXPECT_GT(table.before.rss, 0);
      EXPECT_GT(table.after.rss, 0);
    }
  }
  Unmap(touched, 64 * kMiB);
  Unmap(untouched, 64 * kMiB);
}

TEST(ReadGrowthTable, CountsPagesThatLieApartOnceEach) {
  for (const uint64_t pages : {500, 700, 1500, 2047, 2048, 2049, 5000}) {
    char* memory = Map(2 * pages * kPage);
    for (uint64_t i = 0; i < pages; i++) memory[2 * i * kPage] = 1;
    {
      const StoppedChild child;
      for (const pid_t pid : {0, child.pid()}) {
        GrowthTable table;
        ASSERT_FALSE(ReadGrowthTable(pid, table));
        ASSERT_NE(RowAt(table, memory), nullptr);
        EXPECT_EQ(RowAt(table, memory)->anon, pages * kPage) << pages << " pages, pid " << pid;
      }
    }
    Unmap(memory, 2 * pages * kPage);
  }
}

// A stopped child, so that nothing moves between the two readings.
TEST(ReadGrowthTable, SaysOfEachMappingWhatSmapsSays) {
  char* reserve = Map(16 * kMiB);  // what was touched in an inaccessible mapping is left out, see growth_table.cc
  const StoppedChild child;
  GrowthTable growth;
  SmapsTable smaps;
  ASSERT_FALSE(ReadGrowthTable(child.pid(), growth));
  ASSERT_FALSE(ReadSmaps(child.pid(), smaps));
  ASSERT_EQ(growth.rows.size(), smaps.rows.size());
  const bool counts_zero_page = growth.source == ResidencySource::kPagemap;
  for (size_t i = 0; i < growth.rows.size(); i++) {
    const double* cell = smaps.rows[i].cell;
    ASSERT_EQ(static_cast<double>(growth.rows[i].map.start), cell[kStart]);
    if (cell[kPerms] == 0 || counts_zero_page) continue;
    EXPECT_EQ(static_cast<double>(growth.rows[i].anon), cell[kAnon]) << growth.names.At(growth.rows[i].map.name);
  }
  Unmap(reserve, 16 * kMiB);
}

TEST(ReadGrowthTable, CountsNothingInThePagesOfTheKernel) {
  GrowthTable table;
  ASSERT_FALSE(ReadGrowthTable(0, table));
  int found = 0;
  for (const GrowthRow& row : table.rows) {
    const std::string_view name = table.names.At(row.map.name);
    if (name != "[vdso]" && !name.starts_with("[vvar") && name != "[vsyscall]") continue;
    EXPECT_EQ(row.anon, 0u) << name;
    found++;
  }
  EXPECT_GT(found, 0);
}

TEST(ReadGrowthTable, KnowsABlockThatMallocMappedByItsHeader) {
  const struct {
    uint64_t previous, size;
    bool is_block;
  } cases[] = {
      {0, 8 * kPage | 2, true},
      {0, 4 * kPage | 2, true},         // merged with a neighbour
      {0, (8 * kPage - 16) | 2, true},  // since glibc 2.43
      {0, 8 * kPage, false},
      {0, 8 * kPage | 3, false},
      {0, 9 * kPage | 2, false},
      {16, 8 * kPage | 2, false},
      {0, kPage / 2 | 2, false},
      {0, 2, false},
      {0, 0, false},
      {~uint64_t{0}, ~uint64_t{0}, false},
  };
  for (const auto& [previous, size, is_block] : cases) {
    char* memory = Map(8 * kPage);
    const uint64_t header[] = {previous, size};
    std::memcpy(memory, header, sizeof header);
    {
      const StoppedChild child;
      for (const pid_t pid : {0, child.pid()}) {
        GrowthTable table;
        ASSERT_FALSE(ReadGrowthTable(pid, table));
        ASSERT_NE(RowAt(table, memory), nullptr);
        EXPECT_EQ(RowAt(table, memory)->malloc_chunk, is_block) << previous << ", " << size << ", pid " << pid;
      }
    }
    Unmap(memory, 8 * kPage);
  }
}

// More blocks than one call of the kernel takes.
TEST(ReadGrowthTable, KnowsEachOfAThousandBlocks) {
  constexpr uint64_t kBlocks = 1000;
  char* memory = Map(2 * kBlocks * kPage);
  for (uint64_t i = 0; i < kBlocks; i++) {
    const uint64_t header[] = {0, kPage | (i % 3 == 0 ? 0 : 2)};
    std::memcpy(memory + 2 * i * kPage, header, sizeof header);
    mprotect(memory + (2 * i + 1) * kPage, kPage, PROT_READ);
  }
  GrowthTable table;
  ASSERT_FALSE(ReadGrowthTable(0, table));
  for (uint64_t i = 0; i < kBlocks; i++) {
    const GrowthRow* row = RowAt(table, memory + 2 * i * kPage);
    ASSERT_NE(row, nullptr);
    ASSERT_EQ(row->malloc_chunk, i % 3 != 0) << "block " << i;
    ASSERT_EQ(row->anon, kPage) << "block " << i;
  }
  Unmap(memory, 2 * kBlocks * kPage);
}

// malloc's blocks can be read and written.
TEST(ReadGrowthTable, KnowsTheBlocksOnEitherSideOfAMappingThatCannotBeRead) {
  char* memory = Map(6 * kPage);
  const uint64_t header[] = {0, kPage | 2};
  for (int i = 0; i < 6; i += 2) std::memcpy(memory + i * kPage, header, sizeof header);
  mprotect(memory + kPage, kPage, PROT_NONE);
  mprotect(memory + 2 * kPage, kPage, PROT_WRITE);
  mprotect(memory + 3 * kPage, kPage, PROT_NONE);
  mprotect(memory + 5 * kPage, kPage, PROT_NONE);
  GrowthTable table;
  ASSERT_FALSE(ReadGrowthTable(0, table));
  EXPECT_TRUE(RowAt(table, memory)->malloc_chunk);
  EXPECT_FALSE(RowAt(table, memory + 2 * kPage)->malloc_chunk);
  EXPECT_TRUE(RowAt(table, memory + 4 * kPage)->malloc_chunk);
  Unmap(memory, 6 * kPage);
}

TEST(ReadGrowthTable, ReadsTwentyThousandMappings) {
  constexpr uint64_t kCount = 20'000;
  char* memory = Map(kCount * kPage);
  for (uint64_t i = 0; i < kCount; i++) {
    memory[i * kPage] = 1;
    if (i % 2 != 0 && mprotect(memory + i * kPage, kPage, PROT_READ) != 0) GTEST_SKIP() << "vm.max_map_count is lower";
  }
  GrowthTable growth;
  SmapsTable smaps;
  EXPECT_FALSE(ReadGrowthTable(0, growth));
  EXPECT_FALSE(ReadSmaps(0, smaps));
  const uint64_t start = reinterpret_cast<uint64_t>(memory);
  uint64_t ours = 0;
  for (const GrowthRow& row : growth.rows) {
    if (row.map.start < start || row.map.end > start + kCount * kPage) continue;
    ASSERT_EQ(row.anon, kPage);
    ours++;
  }
  EXPECT_EQ(ours, kCount);
  ours = 0;
  for (const SmapsRow& row : smaps.rows) {
    if (row.cell[kStart] < static_cast<double>(start) || row.cell[kEnd] > static_cast<double>(start + kCount * kPage))
      continue;
    ASSERT_EQ(row.cell[kAnon], static_cast<double>(kPage));
    ours++;
  }
  EXPECT_EQ(ours, kCount);
  Unmap(memory, kCount * kPage);
}

TEST(ReadGrowthTable, SurvivesMappingsThatComeAndGoMeanwhile) {
  char* kept = Map(8 * kMiB);
  std::memset(kept, 1, 8 * kMiB);
  std::atomic<bool> stop{false};
  std::thread churn([&] {
    while (!stop) {
      char* memory[16];
      for (char*& m : memory) {
        m = Map(64 * kPage);
        std::memset(m, 1, 64 * kPage);
      }
      for (char* m : memory) Unmap(m, 64 * kPage);
    }
  });
  for (int i = 0; i < 100; i++) {
    GrowthTable table;
    const Failure failure = ReadGrowthTable(i % 2 == 0 ? 0 : getpid(), table);
    ASSERT_FALSE(failure) << failure.what << ": " << strerror(failure.error);
    ASSERT_NE(RowAt(table, kept), nullptr);
    EXPECT_EQ(RowAt(table, kept)->anon, 8 * kMiB);
  }
  stop = true;
  churn.join();
  Unmap(kept, 8 * kMiB);
}

TEST(ReadGrowthTable, IsEmptyForAProcessThatHasEndedAndWaitsForItsParent) {
  const pid_t child = fork();
  if (child == 0) _exit(0);
  siginfo_t info;
  ASSERT_EQ(waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT), 0);
  GrowthTable table;
  const Failure failure = ReadGrowthTable(child, table);
  EXPECT_FALSE(failure) << strerror(failure.error);
  EXPECT_EQ(table.rows.size(), 0u);
  EXPECT_EQ(waitpid(child, nullptr, 0), child);
}

TEST(ReadGrowthTable, OfAProcessThatIsNotThereFails) {
  GrowthTable table;
  EXPECT_EQ(ReadGrowthTable(0x7fffffff, table).error, ENOENT);
}

}  // namespace
}  // namespace tidemark
