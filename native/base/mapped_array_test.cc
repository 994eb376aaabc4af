#include "base/mapped_array.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/string_table.h"

#if defined(__SANITIZE_THREAD__)
#define THREAD_SANITIZER 1
#elif defined(__has_feature)
#define THREAD_SANITIZER __has_feature(thread_sanitizer)
#else
#define THREAD_SANITIZER 0
#endif

namespace tidemark {
namespace {

TEST(MappedArray, KeepsItsElementsWhileItGrows) {
  MappedArray<uint64_t> array;
  for (uint64_t i = 0; i < 1'000'000; i++) {
    uint64_t* slot = array.Append();
    ASSERT_NE(slot, nullptr);
    *slot = i * i;
  }
  ASSERT_EQ(array.size(), 1'000'000u);
  uint64_t i = 0;
  for (const uint64_t value : array) {
    ASSERT_EQ(value, i * i);
    i++;
  }
}

TEST(MappedArray, AppendsManyAtOnceAndDropsTheLast) {
  MappedArray<char> array;
  char* first = array.Append(3'000'000);
  ASSERT_NE(first, nullptr);
  first[2'999'999] = 'z';
  EXPECT_EQ(array[2'999'999], 'z');
  array.Shrink(2'999'999);
  EXPECT_EQ(array.size(), 1u);
}

TEST(MappedArray, AppendingNothingToAnEmptyArrayIsNoFailure) {
  MappedArray<char> array;
  EXPECT_NE(array.Append(0), nullptr);
  EXPECT_EQ(array.size(), 0u);
}

// Runs in a child: the limit holds for the process. Exits with the number of the check that failed.
int FillUntilMemoryRunsOut() {
  MappedArray<uint64_t> array;
  StringTable strings;
  for (uint64_t i = 0; i < 100; i++) {
    if (array.Append() == nullptr) return 1;
    array[i] = i;
  }
  if (strings.Intern("kept") != 0) return 2;
  // Blocks that were kept from readings of earlier tests would be memory still.
  Scratch taken[Scratch::kKeptBlocks];
  for (Scratch& block : taken) block = Scratch(1);
  const rlimit nothing = {1, 1};  // every mmap from now on fails
  if (setrlimit(RLIMIT_AS, &nothing) != 0) return 3;
  if (array.Append(1'000'000) != nullptr) return 4;
  if (array.size() != 100 || array[99] != 99) return 5;

  char name[32];
  uint32_t id = 0;
  uint32_t count = 1;
  for (; count < 100'000; count++) {
    snprintf(name, sizeof name, "name %u", count);
    id = strings.Intern(name);
    if (id == StringTable::kFull) break;
    if (id != count) return 6;
  }
  if (id != StringTable::kFull) return 7;
  if (strings.size() != count) return 8;  // as it was before the string that did not fit
  if (strings.At(0) != "kept") return 9;
  for (uint32_t i = 1; i < count; i++) {
    snprintf(name, sizeof name, "name %u", i);
    if (strings.At(i) != name) return 10;
  }
  MappedArray<char> fresh;
  if (fresh.Append() != nullptr) return 11;
  return 0;
}

TEST(MappedArray, ReportsThatMemoryHasRunOutAndStaysAsItWas) {
#if THREAD_SANITIZER
  GTEST_SKIP() << "ThreadSanitizer needs memory of its own all the time";
#endif
  EXPECT_EXIT(_exit(FillUntilMemoryRunsOut()), testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace tidemark
