#include "proc/resident_pages.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "proc/process_memory.h"
#include "proc/residency.h"

namespace tidemark {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kStart = 0x7f0000001000;

// 200 pages, of which 1, 2, 63, 64, 65 and 150 to 198 are resident.
class ResidentPagesTest : public testing::Test {
 protected:
  void SetUp() override {
    if (PageSize() != kPage) GTEST_SKIP() << "addresses below are for pages of 4 KiB";
    ASSERT_TRUE(pages.Reset(kStart, At(200)));
    Mark(1, 3);
    Mark(63, 66);
    Mark(150, 199);
    pages.Seal();
  }
  static uint64_t At(uint64_t page) { return kStart + page * kPage; }
  void Mark(uint64_t from, uint64_t to) { pages.Mark(At(from), At(to)); }
  ResidentPages pages;
};

TEST_F(ResidentPagesTest, KnowsEachPageAndNothingOutside) {
  for (uint64_t page = 0; page < 200; page++) {
    const bool resident = page == 1 || page == 2 || (page >= 63 && page <= 65) || (page >= 150 && page <= 198);
    EXPECT_EQ(pages.Contains(At(page)), resident) << page;
    EXPECT_EQ(pages.Contains(At(page) + kPage - 1), resident) << page;
  }
  EXPECT_FALSE(pages.Contains(kStart - 1));
  EXPECT_FALSE(pages.Contains(At(200)));
}

TEST_F(ResidentPagesTest, CountsBytesAsASlowCountDoes) {
  for (uint64_t from = kStart; from < At(200); from += 1237) {
    for (uint64_t to = from; to <= At(200); to += 10'007) {
      uint64_t bytes = 0;
      for (uint64_t page = 0; page < 200; page++) {
        const uint64_t low = std::max(from, At(page));
        const uint64_t high = std::min(to, At(page + 1));
        if (low < high && pages.Contains(low)) bytes += high - low;
      }
      ASSERT_EQ(pages.Bytes(from, to), bytes) << from - kStart << " to " << to - kStart;
    }
  }
  EXPECT_EQ(pages.Bytes(kStart, At(200)), (2 + 3 + 49) * kPage);
}

TEST_F(ResidentPagesTest, FindsTheNextRunAndItsEnd) {
  EXPECT_EQ(pages.NextResident(kStart, At(200)), At(1));
  EXPECT_EQ(pages.NextResident(At(3) + 5, At(200)), At(63));
  EXPECT_EQ(pages.NextResident(At(3), At(40)), At(40));
  EXPECT_EQ(pages.NextResident(At(199), At(200)), At(200));
  EXPECT_EQ(pages.EndOfRun(At(63), At(200)), At(66));
  EXPECT_EQ(pages.EndOfRun(At(150) + 8, At(200)), At(199));
  EXPECT_EQ(pages.EndOfRun(At(150), At(160)), At(160));
}

TEST_F(ResidentPagesTest, ForgetsEarlierPagesWhenResetToAnotherRange) {
  ASSERT_TRUE(pages.Reset(At(0), At(5000)));
  pages.Seal();
  EXPECT_EQ(pages.Bytes(At(0), At(5000)), 0u);
}

// Seven pages of ours, the odd ones touched, seen from inside and by pid.
TEST(PageMarker, MarksTouchedPagesOnlyAndReadingThemTouchesNone) {
  const uint64_t page = PageSize();
  auto* memory = static_cast<char*>(
      mmap(nullptr, 7 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  ASSERT_NE(memory, MAP_FAILED);
  for (uint64_t i = 1; i < 7; i += 2) memory[i * page] = static_cast<char>(i);
  const auto start = reinterpret_cast<uint64_t>(memory);
  for (const pid_t pid : {0, getpid()}) {
    PageMarker marker(pid);
    ResidentPages pages;
    ASSERT_TRUE(pages.Reset(start, start + 7 * page));
    ASSERT_FALSE(marker.Mark(pages));
    for (uint64_t i = 0; i < 7; i++) EXPECT_EQ(pages.Contains(start + i * page), i % 2 == 1) << i;
    ProcessMemory source(pid);
    char byte;
    for (uint64_t i = 1; i < 7; i += 2) {
      EXPECT_EQ(source.Read(start + i * page, &byte, 1), 1u);
      EXPECT_EQ(byte, static_cast<char>(i));
    }
  }
  munmap(memory, 7 * page);
}

TEST(ProcessMemory, ReadsUpToWhatIsNotThere) {
  const uint64_t page = PageSize();
  auto* memory =
      static_cast<char*>(mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(memory, MAP_FAILED);
  std::memset(memory, 7, page);
  munmap(memory + page, page);
  ProcessMemory source(0);
  ASSERT_EQ(source.error(), 0);
  const auto start = reinterpret_cast<uint64_t>(memory);
  char buffer[64];
  EXPECT_EQ(source.Read(start, buffer, 64), 64u);
  EXPECT_EQ(source.Read(start + page, buffer, 64), 0u);
  const uint64_t addresses[] = {start, start + 8, start + page, start + 16};
  EXPECT_EQ(source.ReadEach(addresses, 4, 8, buffer), 2u);
  munmap(memory, page);
}

}  // namespace
}  // namespace tidemark
