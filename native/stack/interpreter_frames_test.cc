#include "stack/interpreter_frames.h"

#include <gtest/gtest.h>

#include <memory>

namespace tidemark {
namespace {

TEST(InterpreterFrames, HoldARangeFromItsFirstByteToItsLast) {
  const auto frames = std::make_unique<InterpreterFrames>();
  frames->Add(0x7f0000001f80, 0x7f00000023a8);  // touches three granules
  EXPECT_FALSE(frames->Contains(0x7f0000001f7f));
  EXPECT_TRUE(frames->Contains(0x7f0000001f80));
  EXPECT_TRUE(frames->Contains(0x7f0000002100));
  EXPECT_TRUE(frames->Contains(0x7f00000023a7));
  EXPECT_FALSE(frames->Contains(0x7f00000023a8));
}

TEST(InterpreterFrames, HoldTheRangesOfFortyIsolates) {
  const auto frames = std::make_unique<InterpreterFrames>();
  const uint64_t offsets[] = {0x800, 0xb80, 0x1540, 0x15c0, 0x1a40, 0x1b40};
  for (int repeat = 0; repeat < 2; repeat++) {  // the second time, they are known
    for (uint64_t isolate = 1; isolate <= 40; isolate++) {
      for (const uint64_t offset : offsets) frames->Add((isolate << 27) + offset, (isolate << 27) + offset + 0x50);
    }
  }
  EXPECT_EQ(frames->dropped(), 0U);
  for (uint64_t isolate = 1; isolate <= 40; isolate++) {
    for (const uint64_t offset : offsets) {
      EXPECT_TRUE(frames->Contains((isolate << 27) + offset + 0x20));
      EXPECT_FALSE(frames->Contains((isolate << 27) + offset + 0x50));
    }
  }
}

TEST(InterpreterFrames, CountTheRangesThatDoNotFit) {
  const auto frames = std::make_unique<InterpreterFrames>();
  for (uint64_t i = 1; i <= 1000; i++) frames->Add(i << 20, (i << 20) + 800);
  EXPECT_EQ(frames->dropped(), 1000 - InterpreterFrames::kMaxRanges);
  EXPECT_TRUE(frames->Contains((InterpreterFrames::kMaxRanges << 20) + 1));
  EXPECT_FALSE(frames->Contains(uint64_t{1000} << 20));
  frames->Add(1 << 20, (1 << 20) + (1 << 30));  // larger than the table
  EXPECT_EQ(frames->dropped(), 1001 - InterpreterFrames::kMaxRanges);
}

}  // namespace
}  // namespace tidemark
