#include "base/scratch.h"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>
#include <utility>
#include <vector>

namespace tidemark {
namespace {

TEST(Scratch, ASmallPieceIsTheSameBlockInTheNextReading) {
  void* first = nullptr;
  {
    const Scratch scratch(100);
    first = scratch.data();
    ASSERT_NE(first, nullptr);
    EXPECT_EQ(scratch.size(), Scratch::kBlockBytes);
  }
  const Scratch again(Scratch::kBlockBytes);
  EXPECT_EQ(again.data(), first);
}

TEST(Scratch, PiecesHeldAtOnceAreDifferent) {
  std::vector<Scratch> pieces;
  for (int i = 0; i < Scratch::kKeptBlocks + 4; i++) {
    pieces.emplace_back(1);
    ASSERT_NE(pieces.back().data(), nullptr);
    std::memset(pieces.back().data(), i, pieces.back().size());
  }
  for (size_t i = 0; i < pieces.size(); i++) {
    const auto* bytes = static_cast<const unsigned char*>(pieces[i].data());
    EXPECT_EQ(bytes[0], i);
    EXPECT_EQ(bytes[pieces[i].size() - 1], i);
  }
}

TEST(Scratch, ALargePieceGoesWithItsHolder) {
  AddressRange ranges[64];
  const size_t before = OwnRanges(ranges, 64);
  {
    const Scratch large(Scratch::kBlockBytes + 1);
    ASSERT_NE(large.data(), nullptr);
    EXPECT_EQ(OwnRanges(ranges, 64), before + 1);
  }
  EXPECT_EQ(OwnRanges(ranges, 64), before);
}

TEST(Scratch, GrowingKeepsWhatItHolds) {
  Scratch scratch(1);
  std::memset(scratch.data(), 7, scratch.size());
  const size_t filled = scratch.size();
  for (const size_t bytes : {filled * 2, filled * 16, filled * 1000}) {
    ASSERT_TRUE(scratch.Grow(bytes));
    ASSERT_GE(scratch.size(), bytes);
    const auto* held = static_cast<const unsigned char*>(scratch.data());
    for (size_t i = 0; i < filled; i++) ASSERT_EQ(held[i], 7);
    static_cast<unsigned char*>(scratch.data())[scratch.size() - 1] = 1;
  }
  EXPECT_FALSE(scratch.Grow(size_t{1} << 50));
  EXPECT_EQ(static_cast<const unsigned char*>(scratch.data())[0], 7);
}

TEST(Scratch, GrowingLeavesNothingBehind) {
  AddressRange ranges[64];
  const size_t before = OwnRanges(ranges, 64);
  {
    Scratch scratch(Scratch::kBlockBytes * 2);
    const uint64_t old = reinterpret_cast<uint64_t>(scratch.data());
    ASSERT_TRUE(scratch.Grow(Scratch::kBlockBytes * 64));
    const size_t n = OwnRanges(ranges, 64);
    EXPECT_EQ(n, before + 1);
    for (size_t i = 0; i < n; i++) EXPECT_NE(ranges[i].start, old);
  }
  EXPECT_EQ(OwnRanges(ranges, 64), before);
}

TEST(Scratch, AMovedPieceIsGivenBackOnce) {
  Scratch first(1);
  void* block = first.data();
  Scratch second = std::move(first);
  EXPECT_EQ(first.data(), nullptr);
  EXPECT_EQ(second.data(), block);
  first = std::move(second);
  EXPECT_EQ(first.data(), block);
  const Scratch other(1);
  EXPECT_NE(other.data(), block);
}

TEST(Scratch, ThreadsNeverShareABlock) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; t++) {
    threads.emplace_back([t] {
      for (int i = 0; i < 20'000; i++) {
        const Scratch scratch(1);
        auto* word = static_cast<volatile int*>(scratch.data());
        *word = t;
        ASSERT_EQ(*word, t);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace tidemark
