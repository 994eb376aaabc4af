#include "hooks/thread_names.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <string>
#include <thread>

namespace tidemark {
namespace {

TEST(ThreadNames, GivesEqualNamesOneNumber) {
  const uint32_t number = ThreadNames::Intern("pool");
  EXPECT_EQ(ThreadNames::Intern("pool"), number);
  EXPECT_NE(ThreadNames::Intern("poo"), number);
  EXPECT_EQ(ThreadNames::At(number), "pool");
  EXPECT_LT(number, ThreadNames::Count());
}

TEST(ThreadNames, HasNumbersForMainAndForThreadsWithoutAName) {
  EXPECT_EQ(ThreadNames::Intern("main"), ThreadNames::kMain);
  EXPECT_EQ(ThreadNames::Intern(""), ThreadNames::kUnnamed);
  EXPECT_EQ(ThreadNames::At(ThreadNames::kUnnamed), "");
}

TEST(ThreadNames, CutsWhatIsTooLong) {
  const std::string name(ThreadNames::kMaxLength + 7, 'x');
  const uint32_t number = ThreadNames::Intern(name);
  EXPECT_EQ(ThreadNames::At(number), name.substr(0, ThreadNames::kMaxLength));
  EXPECT_EQ(ThreadNames::Intern(name + "y"), number);
}

TEST(ThreadNames, TakesTheNameThatTheKernelKnows) {
  std::string named;
  uint32_t inherited = ThreadNames::kOther;
  std::thread([&] {
    pthread_setname_np(pthread_self(), "libuv-worker");
    named = ThreadNames::At(ThreadNames::OfThisThread());
    pthread_setname_np(pthread_self(), "node");
    inherited = ThreadNames::OfThisThread();
  }).join();
  EXPECT_EQ(named, "libuv-worker");
  EXPECT_EQ(inherited, ThreadNames::kUnnamed);
  EXPECT_EQ(ThreadNames::OfThisThread(), ThreadNames::kMain);
}

// In a process of its own: names never go.
void FillFromManyThreads() {
  std::array<std::thread, 4> threads;
  for (size_t t = 0; t < threads.size(); t++) {
    threads[t] = std::thread([t] {
      for (int i = 0; i < 1000; i++) {
        const std::string name = "thread " + std::to_string(t) + "." + std::to_string(i);
        const uint32_t number = ThreadNames::Intern(name);
        const bool right = number == ThreadNames::kOther || ThreadNames::At(number) == name;
        if (number >= ThreadNames::kCapacity || !right) _exit(1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const bool full = ThreadNames::Count() == ThreadNames::kCapacity;
  const bool the_rest_are_others = ThreadNames::Intern("one more") == ThreadNames::kOther;
  const bool known_ones_stay = ThreadNames::Intern("main") == ThreadNames::kMain;
  _exit(full && the_rest_are_others && known_ones_stay ? 0 : 2);
}

TEST(ThreadNamesDeathTest, AreBoundedAndNeverTakeOneForAnother) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(FillFromManyThreads(), testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace tidemark
