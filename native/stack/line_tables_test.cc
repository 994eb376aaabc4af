#include "stack/line_tables.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace tidemark {
namespace {

TEST(LineTables, APositionReachesFromItsOffsetToTheNext) {
  LineTables tables;
  const LinePosition pairs[] = {{0, 160}, {6, 167}, {17, 183}, {21, 181}};
  const uint32_t table = tables.Store(pairs, 4);
  EXPECT_EQ(tables.PositionAt(table, 0), 160);
  EXPECT_EQ(tables.PositionAt(table, 5), 160);
  EXPECT_EQ(tables.PositionAt(table, 6), 167);
  EXPECT_EQ(tables.PositionAt(table, 20), 183);
  EXPECT_EQ(tables.PositionAt(table, 4000), 181);
}

TEST(LineTables, CodeBeforeTheFirstOffsetHasNoPosition) {
  LineTables tables;
  const LinePosition pairs[] = {{8, 100}};
  EXPECT_EQ(tables.PositionAt(tables.Store(pairs, 1), 7), -1);
}

TEST(LineTables, KeepsEveryPairAndTheSpanOfTheWhole) {
  LineTables tables;
  std::vector<LinePosition> pairs;
  uint32_t seed = 1;
  for (uint32_t offset = 0; pairs.size() < 5000; offset += seed % 300) {
    seed = seed * 1664525 + 1013904223;
    pairs.push_back({offset, pairs.size() % 3 == 0 ? seed : seed >> 20});
  }
  const uint32_t table = tables.Store(pairs.data(), pairs.size());
  std::vector<LinePosition> copy(pairs.size());
  ASSERT_EQ(tables.Copy(table, copy.data(), copy.size()), pairs.size());
  uint32_t low = UINT32_MAX;
  uint32_t high = 0;
  for (size_t i = 0; i < pairs.size(); i++) {
    ASSERT_EQ(copy[i].offset, pairs[i].offset);
    ASSERT_EQ(copy[i].position, pairs[i].position);
    ASSERT_TRUE(tables.Holds(table, pairs[i].position));
    low = std::min(low, pairs[i].position);
    high = std::max(high, pairs[i].position);
  }
  LineTables::Span span;
  ASSERT_TRUE(tables.GetSpan(table, span));
  EXPECT_EQ(span.low, low);
  EXPECT_EQ(span.high, high);
  EXPECT_FALSE(tables.Holds(table, low - 1));
}

TEST(LineTables, RefusesWhatIsEmptyOutOfOrderOrTooLongAndCountsIt) {
  LineTables tables;
  const LinePosition backwards[] = {{8, 100}, {4, 101}};
  EXPECT_EQ(tables.Store(backwards, 2), LineTables::kNone);
  EXPECT_EQ(tables.Store(backwards, 0), LineTables::kNone);
  const std::vector<LinePosition> long_one(LineTables::kMaxPairs + 1, LinePosition{0, 0});
  EXPECT_EQ(tables.Store(long_one.data(), long_one.size()), LineTables::kNone);
  EXPECT_EQ(tables.dropped(), 3u);
  EXPECT_EQ(tables.bytes(), 0u);
}

TEST(LineTables, ANumberThatWasNeverGivenHasNothing) {
  LineTables tables;
  EXPECT_FALSE(tables.Has(0));
  EXPECT_EQ(tables.PositionAt(LineTables::kNone, 0), -1);
  EXPECT_FALSE(tables.Holds(7, 0));
}

TEST(LineTables, TheNewestStayWithinTheBudgetAndTheOldestGo) {
  LineTables tables;
  std::vector<LinePosition> pairs(1000);
  constexpr uint32_t kTables = 20000;  // 4 to 9 bytes a pair: 100 times the budget
  for (uint32_t t = 0; t < kTables; t++) {
    for (uint32_t i = 0; i < pairs.size(); i++) pairs[i] = {i * 3, (i % 2 == 0 ? 1000000 : 0) + t};
    ASSERT_EQ(tables.Store(pairs.data(), pairs.size()), t);
    ASSERT_LE(tables.bytes(), LineTables::kMaxBytes);
  }
  uint32_t held = 0;
  for (uint32_t t = 0; t < kTables; t++) {
    if (!tables.Has(t)) continue;
    held++;
    ASSERT_EQ(tables.PositionAt(t, 0), static_cast<int32_t>(1000000 + t));
    ASSERT_EQ(tables.PositionAt(t, 4), static_cast<int32_t>(t));
  }
  EXPECT_GT(held, 500u);
  EXPECT_TRUE(tables.Has(kTables - held)) << "the newest, without a gap";
  EXPECT_EQ(tables.dropped(), kTables - held);
}

TEST(LineTables, WhatIsTakenBackLeavesItsRoomToTheNext) {
  LineTables tables;
  const LinePosition pair = {0, 5};
  const uint32_t kept = tables.Store(&pair, 1);
  const uint64_t bytes = tables.bytes();
  for (int i = 0; i < 3 * static_cast<int>(LineTables::kMaxTables); i++) {
    const uint32_t first = tables.Store(&pair, 1);
    const uint32_t second = tables.Store(&pair, 1);
    tables.Release(first);
    ASSERT_FALSE(tables.Has(first));
    ASSERT_TRUE(tables.Has(second));
    tables.Release(second);
    ASSERT_FALSE(tables.Has(second));
  }
  EXPECT_TRUE(tables.Has(kept));
  EXPECT_EQ(tables.bytes(), bytes);
  EXPECT_EQ(tables.dropped(), 0u);
}

TEST(LineTables, TakingBackTheNewestDoesNotBringBackWhatItHasOverwritten) {
  LineTables tables;
  std::vector<LinePosition> pairs(1000);
  for (uint32_t i = 0; i < pairs.size(); i++) pairs[i] = {i, i};
  while (tables.dropped() == 0) tables.Store(pairs.data(), pairs.size());
  const uint32_t newest = tables.Store(pairs.data(), pairs.size());
  const uint32_t gone = static_cast<uint32_t>(tables.dropped()) - 1;
  tables.Release(newest);
  EXPECT_FALSE(tables.Has(gone));
  EXPECT_TRUE(tables.Has(gone + 1));
  EXPECT_EQ(tables.PositionAt(gone + 1, 999), 999);
}

TEST(LineTables, ManySmallTablesAreBoundedToo) {
  LineTables tables;
  const LinePosition pair = {0, 5};
  for (uint32_t t = 0; t < LineTables::kMaxTables + 10; t++) ASSERT_EQ(tables.Store(&pair, 1), t);
  EXPECT_FALSE(tables.Has(9));
  EXPECT_TRUE(tables.Has(10));
  EXPECT_EQ(tables.dropped(), 10u);
}

}  // namespace
}  // namespace tidemark
