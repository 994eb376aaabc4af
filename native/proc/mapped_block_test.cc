#include "proc/mapped_block.h"

#include <gtest/gtest.h>

namespace tidemark {
namespace {

constexpr uint64_t kStart = 0x7f0000000000;
constexpr uint64_t kIsMmapped = 2;

class MappedBlocks : public testing::Test {
 protected:
  const uint64_t page_ = PageSize();
  const uint64_t end_ = kStart + 32 * page_;

  // How many pages a block with that header has; 0: none.
  uint64_t Pages(uint64_t chunk, uint64_t previous, uint64_t size) const {
    const AddressRange block = MappedBlock({previous, size}, chunk, kStart, end_);
    return (block.end - block.start) / page_;
  }
};

TEST_F(MappedBlocks, EndWhereTheirSizeSaysUpToGlibc242) {
  EXPECT_EQ(Pages(kStart, 0, 8 * page_ | kIsMmapped), 8u);
  EXPECT_EQ(Pages(kStart, 0, page_ | kIsMmapped), 1u);
  EXPECT_EQ(Pages(kStart + page_, 0, 31 * page_ | kIsMmapped), 31u);
}

TEST_F(MappedBlocks, EndOneHeaderLaterSinceGlibc243) {
  EXPECT_EQ(Pages(kStart, 0, (8 * page_ - 16) | kIsMmapped), 8u);
  EXPECT_EQ(Pages(kStart, 0, (page_ - 16) | kIsMmapped), 1u);
  EXPECT_EQ(Pages(kStart, 1, (8 * page_ - 16) | kIsMmapped), 8u) << "of huge pages";
}

TEST_F(MappedBlocks, BeginWithWhatTheirAlignmentLeftOver) {
  for (const uint64_t align : {uint64_t{64}, uint64_t{256}, page_, 4 * page_}) {
    const uint64_t unused = align - 16;
    EXPECT_EQ(Pages(kStart + unused, unused, (16 * page_ - unused) | kIsMmapped), 16u) << align;
    EXPECT_EQ(Pages(kStart + unused, unused, (16 * page_ - unused - 16) | kIsMmapped), 16u) << align;
    EXPECT_EQ(Pages(kStart + unused, unused | 1, (16 * page_ - unused - 16) | kIsMmapped), 16u) << align;
  }
}

TEST_F(MappedBlocks, AreNoneWhereTheHeaderDoesNotAgreeWithThePages) {
  EXPECT_EQ(Pages(kStart, 0, 8 * page_), 0u);
  EXPECT_EQ(Pages(kStart, 0, 8 * page_ | kIsMmapped | 1), 0u) << "in a heap";
  EXPECT_EQ(Pages(kStart, 0, 8 * page_ | kIsMmapped | 4), 0u);
  EXPECT_EQ(Pages(kStart, 0, 33 * page_ | kIsMmapped), 0u) << "ends behind the mapping";
  EXPECT_EQ(Pages(kStart, 0, (33 * page_ - 16) | kIsMmapped), 0u);
  EXPECT_EQ(Pages(kStart, 16, 8 * page_ | kIsMmapped), 0u) << "begins before the mapping";
  EXPECT_EQ(Pages(kStart + page_, 16, 8 * page_ | kIsMmapped), 0u) << "begins within a page";
  EXPECT_EQ(Pages(kStart, 1, 8 * page_ | kIsMmapped), 0u) << "a bit that glibc had not then";
  EXPECT_EQ(Pages(kStart, 0, (8 * page_ - 32) | kIsMmapped), 0u);
  EXPECT_EQ(Pages(kStart + page_ - 16, page_ - 16, kIsMmapped), 0u) << "holds nothing";
  EXPECT_EQ(Pages(kStart, 0, 0), 0u);
  EXPECT_EQ(Pages(kStart, ~uint64_t{0}, ~uint64_t{0}), 0u);
  EXPECT_EQ(Pages(kStart, 0, ~uint64_t{7} | kIsMmapped), 0u);
}

}  // namespace
}  // namespace tidemark
