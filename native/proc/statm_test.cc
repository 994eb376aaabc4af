#include "proc/statm.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <cstring>
#include <thread>
#include <vector>

#include "base/own_mapping.h"

namespace tidemark {
namespace {

constexpr double kMiB = 1 << 20;
// statm sums the kernel's counters approximately: each CPU keeps a batch of up to 64 pages or so to itself. The rest is
// what the test program touches between two readings.
constexpr double kTolerance = 2 * kMiB;
constexpr size_t kTouched = size_t{64} << 20;

TEST(ParseStatm, TurnsPagesIntoBytes) {
  Usage usage;
  ASSERT_TRUE(ParseStatm("160000 12000 4000 1 0 9000 0\n", usage));
  const double page = static_cast<double>(PageSize());
  EXPECT_EQ(usage.rss, 12000 * page);
  EXPECT_EQ(usage.file, 4000 * page);
  EXPECT_EQ(usage.anon, 8000 * page);
}

TEST(ParseStatm, NeverMakesANegativeNumberOfTwoCountersThatRaced) {
  Usage usage;
  ASSERT_TRUE(ParseStatm("100 40 41 0 0 0 0\n", usage));
  EXPECT_EQ(usage.anon, 0);
}

TEST(ParseStatm, ReadsAProcessWithoutMemory) {
  Usage usage;
  ASSERT_TRUE(ParseStatm("0 0 0 0 0 0 0\n", usage));
  EXPECT_EQ(usage.rss, 0);
}

TEST(ParseStatm, RefusesWhatIsNoneOrTorn) {
  Usage usage;
  const char* texts[] = {"",
                         "\n",
                         "1",
                         "1 2",
                         "1 2 3",
                         " 1 2 3 ",
                         "a b c",
                         "1 -2 3",
                         "1  2 3 4 5 ",
                         "1 2 3x ",
                         "1234567890123456789 2 3 "};
  for (const char* text : texts) EXPECT_FALSE(ParseStatm(text, usage)) << "'" << text << "'";
}

// Not instrumented: a sanitizer's shadow of what is touched would count as well.
__attribute__((no_sanitize("thread"))) void Touch(void* memory, size_t bytes) {
  for (size_t at = 0; at < bytes; at += 4096) static_cast<volatile char*>(memory)[at] = 1;
}

TEST(ReadOwnUsage, AgreesWithAFreshlyOpenedStatm) {
  Usage kept;
  Usage fresh;
  ASSERT_EQ(ReadOwnUsage(kept), 0);
  ASSERT_FALSE(ReadUsage(0, fresh));
  EXPECT_NEAR(kept.rss, fresh.rss, kTolerance);
  EXPECT_NEAR(kept.anon + kept.file, kept.rss, 1);
  ASSERT_FALSE(ReadUsage(getpid(), fresh));
  EXPECT_NEAR(kept.rss, fresh.rss, kTolerance);
}

TEST(ReadOwnUsage, SeesMemoryThatIsTouchedAndNotMemoryThatIsOnlyMapped) {
  Usage before;
  Usage mapped;
  Usage touched;
  ASSERT_EQ(ReadOwnUsage(before), 0);
  void* memory = mmap(nullptr, kTouched, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  ASSERT_EQ(ReadOwnUsage(mapped), 0);
  Touch(memory, kTouched);
  ASSERT_EQ(ReadOwnUsage(touched), 0);
  munmap(memory, kTouched);
  EXPECT_NEAR(mapped.anon, before.anon, kTolerance);
  EXPECT_NEAR(touched.anon - mapped.anon, static_cast<double>(kTouched), kTolerance);
}

// What the child of a fork finds out about itself; it must not describe its parent.
int DescribeSelfAfterFork(double rss_of_parent) {
  void* memory = mmap(nullptr, kTouched, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return 1;
  Touch(memory, kTouched);
  Usage usage;
  if (ReadOwnUsage(usage) != 0) return 2;
  Usage fresh;
  if (ReadUsage(0, fresh)) return 3;
  if (std::fabs(usage.rss - fresh.rss) > kTolerance) return 4;
  if (usage.rss < rss_of_parent + static_cast<double>(kTouched) / 2) return 5;
  // And its own child describes itself in turn.
  const pid_t grandchild = fork();
  if (grandchild == 0) {
    munmap(memory, kTouched);
    Usage own;
    _exit(ReadOwnUsage(own) == 0 && own.rss < usage.rss - static_cast<double>(kTouched) / 2 ? 0 : 1);
  }
  int status = -1;
  if (waitpid(grandchild, &status, 0) != grandchild || status != 0) return 6;
  return 0;
}

void ExpectChildrenDescribeThemselves(pid_t (*make_child)(), int times) {
  if (!KeepsDescriptor()) GTEST_SKIP() << "this kernel cannot wipe on fork: nothing is kept";
  // A child's RSS starts below its parent's (file pages are mapped anew on demand), so half of what it touches is a
  // difference that no copy of the parent's reading can show.
  for (int i = 0; i < times; i++) {
    Usage parent;
    ASSERT_EQ(ReadOwnUsage(parent), 0);
    Usage before_fork = parent;
    const pid_t child = make_child();
    if (child == 0) {
      Usage now;
      if (ReadOwnUsage(now) != 0) _exit(9);
      _exit(DescribeSelfAfterFork(now.rss < before_fork.rss ? now.rss : before_fork.rss));
    }
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
    ASSERT_EQ(WEXITSTATUS(status), 0) << "the check of this number failed in child " << i;
    ASSERT_EQ(ReadOwnUsage(parent), 0);
    EXPECT_NEAR(parent.rss, before_fork.rss, kTolerance);
  }
}

TEST(ReadOwnUsage, DescribesTheChildAfterFork) {
  ExpectChildrenDescribeThemselves([] { return fork(); }, 10);
}

TEST(ReadOwnUsage, DescribesTheChildAfterRawClone) {
  const auto clone_raw = [] { return static_cast<pid_t>(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)); };
  ExpectChildrenDescribeThemselves(clone_raw, 10);
}

TEST(ReadOwnUsage, OpensOneDescriptorHoweverManyThreadsReadFirst) {
  // In a child, where nothing is open yet.
  const auto count_descriptors = [] {
    int n = 0;
    for (int fd = 0; fd < 1024; fd++) n += fcntl(fd, F_GETFD) >= 0;
    return n;
  };
  const pid_t child = fork();
  if (child == 0) {
    const int before = count_descriptors();
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; i++) {
      threads.emplace_back([] {
        for (int k = 0; k < 1000; k++) {
          Usage usage;
          if (ReadOwnUsage(usage) != 0 || usage.rss <= 0) _exit(100);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    _exit(count_descriptors() - before);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), KeepsDescriptor() ? 1 : 0);
}

TEST(ReadUsage, OfAProcessThatIsNotThereSaysWhichFileAndWhy) {
  Usage usage;
  const Failure failure = ReadUsage(0x7fffffff, usage);
  EXPECT_EQ(failure.error, ENOENT);
  EXPECT_STREQ(failure.what, "/proc/2147483647/statm");
  EXPECT_EQ(failure.line, 0u);
}

}  // namespace
}  // namespace tidemark
