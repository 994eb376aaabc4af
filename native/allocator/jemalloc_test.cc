// Against a jemalloc made here, whose answers are known and can be wrong.

#include "allocator/jemalloc.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>

namespace tidemark {
namespace {

struct FakeJemalloc {
  std::map<std::string, size_t> values;
  bool narrow = false;  // answers in 32 bits
  int epochs = 0;
  int purges = 0;
};

FakeJemalloc g_fake;

int FakeMallctl(const char* name, void* old_value, size_t* old_size, void* new_value, size_t new_size) {
  if (std::strcmp(name, "epoch") == 0 && new_value != nullptr && new_size == sizeof(uint64_t)) {
    g_fake.epochs++;
    return 0;
  }
  if (std::strcmp(name, "arena.4096.purge") == 0 && old_value == nullptr && new_value == nullptr) {
    g_fake.purges++;
    return 0;
  }
  const auto found = g_fake.values.find(name);
  if (found == g_fake.values.end()) return ENOENT;
  if (old_value == nullptr || old_size == nullptr || *old_size != sizeof(size_t)) return EINVAL;
  if (g_fake.narrow) *old_size = 4;
  std::memcpy(old_value, &found->second, *old_size);
  return 0;
}

class Jemalloc : public testing::Test {
 protected:
  void SetUp() override {
    g_fake = {};
    g_fake.values = {{"stats.allocated", 100 << 20},    {"stats.metadata", 5 << 20},
                     {"stats.resident", 150 << 20},     {"stats.arenas.4096.pdirty", 5000},
                     {"stats.arenas.4096.pmuzzy", 120}, {"arenas.page", 8192}};
  }
  AllocatorCounters counters;
};

TEST_F(Jemalloc, IsAskedForFreshStatistics) {
  ASSERT_TRUE(ReadJemalloc(FakeMallctl, counters));
  EXPECT_EQ(g_fake.epochs, 1);
  EXPECT_EQ(counters.live, 100 << 20);
  EXPECT_EQ(counters.metadata, 5 << 20);
  EXPECT_EQ(counters.resident, 150 << 20);
  EXPECT_EQ(counters.free, 45 << 20);
  EXPECT_EQ(counters.releasable, 5120 * 8192) << "dirty and muzzy pages, in its own page size";
}

TEST_F(Jemalloc, WithoutStatisticsSaysNothing) {
  g_fake.values.clear();
  EXPECT_FALSE(ReadJemalloc(FakeMallctl, counters));
  for (const double value : {counters.live, counters.metadata, counters.resident, counters.free, counters.releasable}) {
    EXPECT_TRUE(std::isnan(value));
  }
}

TEST_F(Jemalloc, ThatLacksOneNameLeavesWhatDependsOnItUnknownAndNothingElse) {
  g_fake.values.erase("stats.arenas.4096.pmuzzy");
  g_fake.values.erase("stats.metadata");
  ASSERT_TRUE(ReadJemalloc(FakeMallctl, counters));
  EXPECT_TRUE(std::isnan(counters.releasable));
  EXPECT_TRUE(std::isnan(counters.free));
  EXPECT_EQ(counters.live, 100 << 20);
}

TEST_F(Jemalloc, ThatAnswersInAnotherWidthIsNotBelieved) {
  g_fake.narrow = true;
  EXPECT_FALSE(ReadJemalloc(FakeMallctl, counters));
  EXPECT_TRUE(std::isnan(counters.live));
}

TEST_F(Jemalloc, HasNoNegativeFreeMemoryWhereItsCountersRaced) {
  g_fake.values["stats.resident"] = 90 << 20;
  ASSERT_TRUE(ReadJemalloc(FakeMallctl, counters));
  EXPECT_EQ(counters.free, 0);
}

TEST_F(Jemalloc, PurgesAllArenasOnce) {
  EXPECT_EQ(ReleaseJemalloc(FakeMallctl), 0);
  EXPECT_EQ(g_fake.purges, 1);
}

TEST_F(Jemalloc, ThatIsNotThereCanNeitherBeAskedNorPurged) {
  EXPECT_FALSE(ReadJemalloc(nullptr, counters));
  EXPECT_EQ(ReleaseJemalloc(nullptr), ENOTSUP);
}

}  // namespace
}  // namespace tidemark
