#include "base/own_mapping.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "proc/maps.h"

namespace tidemark {
namespace {

uint64_t Address(const OwnMapping& mapping) { return reinterpret_cast<uint64_t>(mapping.data()); }

bool IsListed(uint64_t start, uint64_t end) {
  AddressRange ranges[64];
  const size_t n = OwnRanges(ranges, 64);
  for (size_t i = 0; i < n; i++) {
    if (ranges[i].start == start && ranges[i].end == end) return true;
  }
  return false;
}

TEST(OwnMapping, HoldsZeroedMemoryOfWholePages) {
  const OwnMapping mapping(1);
  ASSERT_NE(mapping.data(), nullptr);
  EXPECT_EQ(mapping.size(), PageSize());
  EXPECT_EQ(Address(mapping) % PageSize(), 0u);
  for (size_t i = 0; i < mapping.size(); i++) ASSERT_EQ(static_cast<char*>(mapping.data())[i], 0);
}

TEST(OwnMapping, IsAMappingOfItsOwnWithAnInaccessiblePageOnEitherSide) {
  // Of one size and flags, made one after the other: without guards the kernel merges them.
  std::vector<OwnMapping> mappings;
  for (int i = 0; i < 32; i++) {
    mappings.emplace_back(size_t{16} << 10);
    std::memset(mappings.back().data(), 1, mappings.back().size());
  }
  MapsTable table;
  ASSERT_FALSE(ReadMaps(0, table));
  for (const OwnMapping& mapping : mappings) {
    size_t i = 0;
    while (i < table.rows.size() && table.rows[i].start != Address(mapping)) i++;
    ASSERT_LT(i + 1, table.rows.size());
    ASSERT_GT(i, 0u);
    EXPECT_EQ(table.rows[i].end, Address(mapping) + mapping.size());
    EXPECT_EQ(table.rows[i].perms, kRead | kWrite);
    EXPECT_EQ(table.rows[i - 1].end, table.rows[i].start);
    EXPECT_EQ(table.rows[i - 1].perms, 0u);
    EXPECT_EQ(table.rows[i + 1].start, table.rows[i].end);
    EXPECT_EQ(table.rows[i + 1].perms, 0u);
  }
}

TEST(OwnMapping, IsListedUntilItGoes) {
  uint64_t start = 0;
  uint64_t end = 0;
  {
    OwnMapping first(PageSize() * 3);
    start = Address(first);
    end = start + first.size();
    EXPECT_TRUE(IsListed(start, end));
    const OwnMapping second = std::move(first);
    EXPECT_TRUE(IsListed(start, end));
    EXPECT_EQ(first.data(), nullptr);
  }
  EXPECT_FALSE(IsListed(start, end));
}

// Pages moved once stay a mapping of their own, so a second move takes two: before Linux 6.17 mremap refuses that,
// having unmapped the target already.
TEST(OwnMapping, GrowsAgainAndAgainWithWhatItHolds) {
  OwnMapping mapping(PageSize());
  std::memset(mapping.data(), 1, mapping.size());
  for (size_t pages = 8; pages <= 8 * 8 * 8 * 8; pages *= 8) {
    const size_t held = mapping.size();
    const uint64_t before = Address(mapping);
    ASSERT_TRUE(mapping.Grow(pages * PageSize()));
    ASSERT_EQ(mapping.size(), pages * PageSize());
    EXPECT_TRUE(IsListed(Address(mapping), Address(mapping) + mapping.size()));
    EXPECT_FALSE(IsListed(before, before + held));
    const auto* bytes = static_cast<const unsigned char*>(mapping.data());
    for (size_t i = 0; i < mapping.size(); i++) ASSERT_EQ(bytes[i], i < held ? 1 : 0);
    std::memset(mapping.data(), 1, mapping.size());
  }
  EXPECT_FALSE(mapping.Grow(size_t{1} << 50));
  EXPECT_EQ(static_cast<const char*>(mapping.data())[0], 1);
}

TEST(OwnMapping, KeepsWorkingWhenTheRegisterIsFull) {
  std::vector<OwnMapping> mappings;
  for (int i = 0; i < 100; i++) mappings.emplace_back(1);
  for (const OwnMapping& mapping : mappings) ASSERT_NE(mapping.data(), nullptr);
  AddressRange ranges[64];
  EXPECT_EQ(OwnRanges(ranges, 64), 64u);
  EXPECT_EQ(OwnRanges(ranges, 10), 10u);
  mappings.clear();
  EXPECT_LT(OwnRanges(ranges, 64), 64u);
}

TEST(OwnMapping, ReportsWhatTheKernelRefuses) {
  const OwnMapping mapping(size_t{1} << 50);
  EXPECT_EQ(mapping.data(), nullptr);
  EXPECT_EQ(mapping.size(), 0u);
}

// A reader that paired the start of one mapping with the end of the one that took its slot would claim what lies
// between. No such pair has one of the lengths used here, unless by a rare chance that hides a failure and makes none.
TEST(OwnMapping, ARegisterReadWhileMappingsComeAndGoListsOnlyRangesThatExisted) {
  const std::set<uint64_t> lengths = {PageSize() * 1, PageSize() * 3, PageSize() * 17};
  AddressRange before[64];
  std::set<uint64_t> others;  // what the test program itself has
  const size_t n = OwnRanges(before, 64);
  for (size_t i = 0; i < n; i++) others.insert(before[i].start);
  std::atomic<bool> stop{false};
  std::vector<std::thread> writers;
  for (int w = 0; w < 2; w++) {
    writers.emplace_back([&] {
      while (!stop) {
        for (const uint64_t length : lengths) OwnMapping mapping(length);
      }
    });
  }
  for (int i = 0; i < 200'000; i++) {
    AddressRange ranges[64];
    const size_t live = OwnRanges(ranges, 64);
    for (size_t k = 0; k < live; k++) {
      if (others.count(ranges[k].start) != 0) continue;
      if (lengths.count(ranges[k].end - ranges[k].start) == 0) {
        ADD_FAILURE() << "a range of " << ranges[k].end - ranges[k].start << " bytes";
        i = 200'000;
      }
    }
  }
  stop = true;
  for (std::thread& writer : writers) writer.join();
}

}  // namespace
}  // namespace tidemark
