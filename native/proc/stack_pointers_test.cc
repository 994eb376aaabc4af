#include "proc/stack_pointers.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <unistd.h>

#include <atomic>

namespace tidemark {
namespace {

TEST(ParseStackPointer, IsTheLastButOneNumber) {
  EXPECT_EQ(ParseStackPointer("232 0xb 0x7ffc 0x400 0xffffffff 0x0 0x8 0x7f0b8a3fed20 0x7f0b8b51ac9e\n"),
            0x7f0b8a3fed20u);
  EXPECT_EQ(ParseStackPointer("-1 0x7ffd8a3fed20 0x7f0b8b51ac9e\n"), 0x7ffd8a3fed20u);
}

TEST(ParseStackPointer, OfARunningThreadAndOfAnythingElseIsNone) {
  for (const char* text : {"running\n", "", " ", "0x1", "a b", "1 2 3", "1 0xzz 0x3", "1 0x11112222333344445 0x3"}) {
    EXPECT_EQ(ParseStackPointer(text), 0u) << text;
  }
}

// A thread whose stack has a size of its own waits in read(2).
TEST(ReadStackPointers, FindsTheStackOfAThreadThatSleeps) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  struct Shared {
    int fd;
    std::atomic<uint64_t> here{0};
  } shared{ends[0]};
  pthread_t thread;
  ASSERT_EQ(pthread_create(
                &thread, nullptr,
                [](void* arg) -> void* {
                  auto& s = *static_cast<Shared*>(arg);
                  char byte;
                  s.here.store(reinterpret_cast<uint64_t>(&byte));
                  return read(s.fd, &byte, 1) == 1 ? arg : nullptr;
                },
                &shared),
            0);
  bool found = false;
  for (int i = 0; i < 1000 && !found; i++) {
    usleep(1000);
    MappedArray<uint64_t> pointers;
    ReadStackPointers(0, pointers);
    const uint64_t here = shared.here.load();
    for (const uint64_t pointer : pointers)
      found |= here != 0 && (here > pointer ? here - pointer : pointer - here) < 65536;
  }
  EXPECT_TRUE(found);
  ASSERT_EQ(write(ends[1], "x", 1), 1);
  pthread_join(thread, nullptr);
  close(ends[0]);
  close(ends[1]);
}

TEST(ReadStackPointers, OfAProcessThatIsNotThereAreNone) {
  MappedArray<uint64_t> pointers;
  ReadStackPointers(0x7fffffff, pointers);
  EXPECT_EQ(pointers.size(), 0u);
}

}  // namespace
}  // namespace tidemark
