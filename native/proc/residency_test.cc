// Every source of residency against smaps, on mappings that are hard to count. Each test runs in a process of its own
// (a threadsafe death test): what the kernel can do is asked once a process, and nothing else changes the mappings.

#include "proc/residency.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <vector>

#include "proc/forbidden_calls.h"
#include "proc/smaps.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

namespace tidemark {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kMiB = 1 << 20;

struct Nasty {
  const char* what;
  uint64_t start;
  uint64_t end;
  bool cow = false;
  uint64_t zero_pages = 0;  // mapped to the shared zero page: resident for mincore and pagemap, nobody's for smaps
};

char* Map(uint64_t bytes, int protection = PROT_READ | PROT_WRITE, int fd = -1) {
  const int kind = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_PRIVATE;
  // An inaccessible page on both sides: no neighbour merges with it.
  char* outer = static_cast<char*>(mmap(nullptr, bytes + 2 * kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  void* inner = mmap(outer + kPage, bytes, protection, kind | MAP_FIXED, fd, 0);
  if (inner == MAP_FAILED) _exit(20);
  return static_cast<char*>(inner);
}

void Touch(char* memory, uint64_t from, uint64_t to) {
  for (uint64_t at = from; at < to; at += kPage) static_cast<volatile char*>(memory)[at] = 1;
}

std::vector<Nasty> MakeNasty() {
  std::vector<Nasty> all;
  const auto add = [&](const char* what, char* memory, uint64_t bytes) -> Nasty& {
    const uint64_t start = reinterpret_cast<uint64_t>(memory);
    all.push_back({what, start, start + bytes});
    return all.back();
  };
  char* m = Map(64 * kPage);
  Touch(m, 0, 64 * kPage);
  add("touched", m, 64 * kPage);

  add("not touched", Map(64 * kPage), 64 * kPage);

  m = Map(40 * kMiB);  // more than two slices
  Touch(m, 3 * kPage, 17 * kMiB);
  Touch(m, 39 * kMiB, 40 * kMiB);
  add("part of 40 MiB", m, 40 * kMiB);

  constexpr uint64_t kReserve = uint64_t{128} << 30;
  m = static_cast<char*>(
      mmap(nullptr, kReserve, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  if (m != MAP_FAILED) {
    madvise(m, kReserve, MADV_NOHUGEPAGE);
    for (uint64_t at = 0; at < kReserve; at += kReserve / 4) Touch(m + at, 0, 2 * kPage);
    add("a few pages of 128 GiB", m, kReserve);
  }

  m = Map(16 * kPage);
  for (uint64_t at = 0; at < 16 * kPage; at += kPage) (void)static_cast<volatile char*>(m)[at];
  add("only read", m, 16 * kPage).zero_pages = 16;

  m = Map(32 * kPage);
  Touch(m, 0, 32 * kPage);
  madvise(m, 16 * kPage, MADV_FREE);
  add("half given up lazily", m, 32 * kPage);

  m = Map(32 * kPage);
  Touch(m, 0, 32 * kPage);
  madvise(m, 8 * kPage, MADV_DONTNEED);
  add("a quarter given up", m, 32 * kPage);

  m = Map(16 * kPage);
  Touch(m, 0, 16 * kPage);
  mprotect(m, 16 * kPage, PROT_NONE);
  add("touched, then made inaccessible", m, 16 * kPage);

  const int file = memfd_create("file", MFD_CLOEXEC);
  if (ftruncate(file, 32 * kPage) != 0) _exit(21);
  m = Map(32 * kPage, PROT_READ | PROT_WRITE, file);
  for (uint64_t at = 0; at < 32 * kPage; at += kPage) (void)static_cast<volatile char*>(m)[at];
  Touch(m, 4 * kPage, 20 * kPage);
  add("a private file mapping, half written", m, 32 * kPage).cow = true;
  close(file);

  const int zero = open("/dev/zero", O_RDWR | O_CLOEXEC);
  if (zero >= 0) {
    m = Map(16 * kPage, PROT_READ | PROT_WRITE, zero);
    Touch(m, 0, 8 * kPage);
    add("/dev/zero, half written", m, 16 * kPage).cow = true;
    close(zero);
  }

  m = Map(6 * kMiB);
  madvise(m, 6 * kMiB, MADV_HUGEPAGE);
  Touch(m, 0, 6 * kMiB);
  mprotect(m + 3 * kMiB, kPage, PROT_READ | PROT_WRITE);
  madvise(m + 5 * kMiB, kPage, MADV_DONTNEED);  // splits a huge page
  add("huge pages", m, 6 * kMiB);

  m = Map(32 * kPage);
  Touch(m, 0, 32 * kPage);
  if (madvise(m + 4 * kPage, 8 * kPage, MADV_GUARD_INSTALL) == 0) add("guard pages inside", m, 32 * kPage);

  // 600 mappings that touch: more than one slice holds, and none may count for its neighbour.
  m = Map(600 * kPage);
  for (uint64_t i = 0; i < 600; i++) {
    if (i % 3 != 0) Touch(m, i * kPage, (i + 1) * kPage);
    if (i % 2 != 0) mprotect(m + i * kPage, kPage, PROT_READ);
    add("one of 600 neighbours", m + i * kPage, kPage);
  }
  std::sort(all.begin(), all.end(), [](const Nasty& a, const Nasty& b) { return a.start < b.start; });
  return all;
}

// Exits with 0 where ReadResidency(pid) says of each mapping what smaps says, and prints what it does not.
[[noreturn]] void CompareWithSmaps(pid_t pid, ResidencySource expected_source, bool counts_zero_page) {
  std::vector<Nasty> all = MakeNasty();
  RangeArray anonymous;
  RangeArray cow;
  for (const Nasty& nasty : all) *(nasty.cow ? cow : anonymous).Append() = {nasty.start, nasty.end, 0, 0, false};
  ResidencySource source;
  const Failure failure = ReadResidency(pid, anonymous, cow, source);
  if (failure) {
    fprintf(stderr, "%s: %s\n", failure.what, strerror(failure.error));
    _exit(2);
  }
  if (source != expected_source) _exit(3);
  SmapsTable table;
  if (ReadSmaps(0, table)) _exit(4);
  int wrong = 0;
  size_t next_anonymous = 0;
  size_t next_cow = 0;
  for (const Nasty& nasty : all) {
    const ResidentRange& range = nasty.cow ? cow[next_cow++] : anonymous[next_anonymous++];
    double should = counts_zero_page ? static_cast<double>(nasty.zero_pages * kPage) : 0;
    bool found = false;
    for (const SmapsRow& row : table.rows) {
      if (row.cell[kStart] < static_cast<double>(nasty.start) || row.cell[kEnd] > static_cast<double>(nasty.end))
        continue;
      should += row.cell[kAnon];
      found = true;
    }
    if (found && static_cast<double>(range.anon) == should && range.swap == 0) continue;
    fprintf(stderr, "%s: %lu bytes (swap %lu), smaps %.0f\n", nasty.what, range.anon, range.swap, should);
    wrong++;
  }
  _exit(wrong == 0 ? 0 : 1);
}

// From here on ioctl(PAGEMAP_SCAN) fails as it does before Linux 6.7.
void ForbidPagemapScan() {
  constexpr uint32_t kScan = 0xc0606610;
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_ioctl, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[1])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kScan, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOTTY),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  Apply(filter);
}

class ResidencyDeathTest : public testing::Test {
 protected:
  void SetUp() override { testing::FLAGS_gtest_death_test_style = "threadsafe"; }
};

TEST_F(ResidencyDeathTest, MincoreAgreesWithSmapsButForTheZeroPage) {
  EXPECT_EXIT(CompareWithSmaps(0, ResidencySource::kMincore, true), testing::ExitedWithCode(0), "");
}

TEST_F(ResidencyDeathTest, PagemapScanAgreesWithSmaps) {
  if (!HasPagemapScan()) GTEST_SKIP() << "this kernel has no PAGEMAP_SCAN (before 6.7)";
  EXPECT_EXIT(CompareWithSmaps(getpid(), ResidencySource::kPagemapScan, false), testing::ExitedWithCode(0), "");
}

TEST_F(ResidencyDeathTest, PlainPagemapAgreesWithSmapsButForTheZeroPage) {
  const auto compare = [] {
    ForbidPagemapScan();
    if (HasPagemapScan()) _exit(5);
    CompareWithSmaps(getpid(), ResidencySource::kPagemap, true);
  };
  EXPECT_EXIT(compare(), testing::ExitedWithCode(0), "");
}

// 40 MiB of ours: the odd pages of the first MiB touched, all of the third slice, and one page at the end.
void MarkAndCompare(pid_t pid) {
  char* memory = Map(40 * kMiB);
  const uint64_t start = reinterpret_cast<uint64_t>(memory);
  const auto touched = [](uint64_t at) {
    return (at < kMiB && at / kPage % 2 == 1) || (at >= 32 * kMiB && at < 33 * kMiB) || at == 40 * kMiB - kPage;
  };
  for (uint64_t at = 0; at < 40 * kMiB; at += kPage) {
    if (touched(at)) Touch(memory, at, at + kPage);
  }
  PageMarker marker(pid);
  ResidentPages pages;
  if (!pages.Reset(start, start + 40 * kMiB) || marker.Mark(pages)) _exit(3);
  for (uint64_t at = 0; at < 40 * kMiB; at += kPage) {
    if (pages.Contains(start + at) != touched(at)) _exit(4);
  }
  _exit(0);
}

TEST_F(ResidencyDeathTest, EachPageIsMarkedAsItIsByEachOfTheThreeMeans) {
  EXPECT_EXIT(MarkAndCompare(0), testing::ExitedWithCode(0), "");
  EXPECT_EXIT(MarkAndCompare(getpid()), testing::ExitedWithCode(0), "");
  const auto by_pagemap = [] {
    ForbidPagemapScan();
    if (HasPagemapScan()) _exit(5);
    MarkAndCompare(getpid());
  };
  EXPECT_EXIT(by_pagemap(), testing::ExitedWithCode(0), "");
}

TEST(ReadResidency, CountsNothingInARangeThatHasVanishedAndAllOfItsNeighbours) {
  char* memory = Map(3 * 8 * kPage);
  Touch(memory, 0, 3 * 8 * kPage);
  const uint64_t start = reinterpret_cast<uint64_t>(memory);
  munmap(memory + 8 * kPage, 8 * kPage);
  for (const pid_t pid : {0, getpid()}) {
    RangeArray anonymous;
    RangeArray cow;
    for (uint64_t i = 0; i < 3; i++)
      *anonymous.Append() = {start + i * 8 * kPage, start + (i + 1) * 8 * kPage, 0, 0, false};
    ResidencySource source;
    ASSERT_FALSE(ReadResidency(pid, anonymous, cow, source));
    EXPECT_EQ(anonymous[0].anon, 8 * kPage) << "pid " << pid;
    EXPECT_EQ(anonymous[1].anon, 0u) << "pid " << pid;
    EXPECT_EQ(anonymous[2].anon, 8 * kPage) << "pid " << pid;
    EXPECT_TRUE(anonymous[0].first_page_resident);
    EXPECT_FALSE(anonymous[1].first_page_resident);
  }
  munmap(memory - kPage, (3 * 8 + 2) * kPage);
}

// 40 MiB of which the third slice begins with a page that is not touched; then some of the first and the third go.
TEST(ReadResidency, CountsAndMarksWhatIsAroundAHoleInOneRange) {
  char* memory = Map(40 * kMiB);
  Touch(memory, 0, 40 * kMiB);
  madvise(memory + 32 * kMiB, kPage, MADV_DONTNEED);
  munmap(memory + 5 * kMiB, kPage);
  munmap(memory + 36 * kMiB, 4 * kMiB);
  const uint64_t start = reinterpret_cast<uint64_t>(memory);
  const auto is_there = [](uint64_t at) { return at != 5 * kMiB && at != 32 * kMiB && at < 36 * kMiB; };
  for (const pid_t pid : {0, getpid()}) {
    RangeArray anonymous;
    RangeArray cow;
    *anonymous.Append() = {start, start + 40 * kMiB, 0, 0, false};
    ResidencySource source;
    ASSERT_FALSE(ReadResidency(pid, anonymous, cow, source));
    EXPECT_EQ(anonymous[0].anon, 36 * kMiB - 2 * kPage) << "pid " << pid;
    EXPECT_TRUE(anonymous[0].first_page_resident) << "pid " << pid;

    PageMarker marker(pid);
    ResidentPages pages;
    ASSERT_TRUE(pages.Reset(start, start + 40 * kMiB));
    ASSERT_FALSE(marker.Mark(pages));
    for (uint64_t at = 0; at < 40 * kMiB; at += kPage) {
      ASSERT_EQ(pages.Contains(start + at), is_there(at)) << "pid " << pid << ", at " << at;
    }
  }
  munmap(memory - kPage, 40 * kMiB + 2 * kPage);
}

TEST(ReadResidency, KnowsWhetherTheFirstPageIsResidentInARangeOfSeveralSlices) {
  char* memory = Map(40 * kMiB);
  const uint64_t start = reinterpret_cast<uint64_t>(memory);
  for (const bool touched : {false, true}) {
    Touch(memory, 16 * kMiB, 16 * kMiB + kPage);
    Touch(memory, 32 * kMiB, 33 * kMiB);
    if (touched) Touch(memory, 0, kPage);
    for (const pid_t pid : {0, getpid()}) {
      RangeArray anonymous;
      RangeArray cow;
      *anonymous.Append() = {start, start + 40 * kMiB, 0, 0, false};
      ResidencySource source;
      ASSERT_FALSE(ReadResidency(pid, anonymous, cow, source));
      EXPECT_EQ(anonymous[0].first_page_resident, touched) << "pid " << pid;
    }
  }
  munmap(memory - kPage, 40 * kMiB + 2 * kPage);
}

TEST(ReadResidency, OfNothingIsNothing) {
  RangeArray anonymous;
  RangeArray cow;
  ResidencySource source;
  EXPECT_FALSE(ReadResidency(0, anonymous, cow, source));
  EXPECT_FALSE(ReadResidency(getpid(), anonymous, cow, source));
  EXPECT_EQ(ReadResidency(0x7fffffff, anonymous, cow, source).error, ENOENT);
}

}  // namespace
}  // namespace tidemark
