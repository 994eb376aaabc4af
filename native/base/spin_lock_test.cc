#include "base/spin_lock.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <thread>
#include <vector>

namespace tidemark {
namespace {

TEST(SpinLock, LetsOneThreadInAtATime) {
  SpinLock lock;
  uint64_t sum = 0;  // plain: without the lock additions get lost, and ThreadSanitizer complains
  constexpr int kThreads = 8;
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int t = 0; t < kThreads; t++) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20'000; i++) {
        lock.Lock();
        sum++;
        lock.Unlock();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(sum, 160'000u);
}

TEST(SpinLock, ATryGivesUpWhileItIsHeldAndSucceedsAfterwards) {
  SpinLock lock;
  ASSERT_TRUE(lock.TryLock());
  errno = EXDEV;
  EXPECT_FALSE(lock.TryLock());
  EXPECT_EQ(errno, EXDEV);
  lock.Unlock();
  EXPECT_TRUE(lock.TryLock());
}

TEST(SpinLock, WaitsForAHolderThatSleepsAndKeepsErrno) {
  SpinLock lock;
  lock.Lock();
  bool changed = false;  // plain, as above
  std::thread holder([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    changed = true;
    lock.Unlock();
  });
  errno = EXDEV;
  lock.Lock();
  EXPECT_EQ(errno, EXDEV);
  EXPECT_TRUE(changed);
  holder.join();
}

TEST(SpinLock, IsFreeAfterReset) {
  SpinLock lock;
  lock.Lock();
  lock.Reset();
  EXPECT_TRUE(lock.TryLock());
}

}  // namespace
}  // namespace tidemark
