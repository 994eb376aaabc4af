#include "proc/status.h"

#include <gtest/gtest.h>

namespace tidemark {
namespace {

TEST(ParseStatus, ReadsSharedMemoryAndSwap) {
  MemoryStatus status;
  ParseStatus("Name:\tnode\nVmSize:\t  601000 kB\nRssShmem:\t     120 kB\nVmSwap:\t      16 kB\nThreads:\t11\n",
              status);
  EXPECT_EQ(status.shmem, 120 * 1024);
  EXPECT_EQ(status.swap, 16 * 1024);
}

TEST(ParseStatus, FindsNothingInAProcessWithoutMemory) {
  MemoryStatus status;
  ParseStatus("Name:\tkthreadd\nThreads:\t1\n", status);
  EXPECT_EQ(status.shmem, 0);
  EXPECT_EQ(status.swap, 0);
}

TEST(ParseStatus, IsNotFooledByAProcessNamedLikeAField) {
  MemoryStatus status;
  ParseStatus("Name:\tVmSwap: 99 kB\nVmSize:\t 1 kB\n", status);
  EXPECT_EQ(status.swap, 0);
}

TEST(ReadStatus, ReadsThisProcess) {
  MemoryStatus status;
  EXPECT_FALSE(ReadStatus(0, status));
  EXPECT_TRUE(ReadStatus(0x7fffffff, status));
}

}  // namespace
}  // namespace tidemark
