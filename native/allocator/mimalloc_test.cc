#include "allocator/mimalloc.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <string>

namespace tidemark {
namespace {

size_t g_committed;
std::string g_calls;

const Mimalloc kMimalloc = {
    [](size_t*, size_t*, size_t*, size_t*, size_t*, size_t* committed, size_t*, size_t*) { *committed = g_committed; },
    [] { g_calls += "init "; }, [](bool force) { g_calls += force ? "collect" : "collect a little"; }};

TEST(Mimalloc, TellsWhatIsCommittedAndNothingElse) {
  g_committed = 77 << 20;
  AllocatorCounters counters;
  ASSERT_TRUE(ReadMimalloc(kMimalloc, counters));
  EXPECT_EQ(counters.resident, 77 << 20);
  for (const double value : {counters.live, counters.metadata, counters.free, counters.releasable}) {
    EXPECT_TRUE(std::isnan(value));
  }
}

TEST(Mimalloc, ThatCountsNothingHasNotAnswered) {
  g_committed = 0;
  AllocatorCounters counters;
  EXPECT_FALSE(ReadMimalloc(kMimalloc, counters));
  EXPECT_TRUE(std::isnan(counters.resident));
}

// A pool thread that has allocated nothing has no heap, and mi_collect then returns at once.
TEST(Mimalloc, CollectsFromAThreadThatHasAHeap) {
  g_calls.clear();
  EXPECT_EQ(ReleaseMimalloc(kMimalloc), 0);
  EXPECT_EQ(g_calls, "init collect");
}

TEST(Mimalloc, ThatIsNotThereCanNeitherBeAskedNorCollect) {
  AllocatorCounters counters;
  EXPECT_FALSE(ReadMimalloc({}, counters));
  EXPECT_EQ(ReleaseMimalloc({}), ENOTSUP);
}

}  // namespace
}  // namespace tidemark
