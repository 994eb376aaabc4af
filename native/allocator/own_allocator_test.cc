// In the test program itself, whose malloc is glibc's, or a sanitizer's that is linked into the program: an allocator
// that is not known must not be taken for the C library's, whose functions are there all the same.

#include "allocator/own_allocator.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "allocator/allocator_counters.h"
#include "allocator/free_memory_release.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define TIDEMARK_SANITIZED_MALLOC
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TIDEMARK_SANITIZED_MALLOC
#endif

namespace tidemark {
namespace {

TEST(OwnAllocator, IsTheOneThatProvidesMalloc) {
#ifdef TIDEMARK_SANITIZED_MALLOC
  EXPECT_EQ(OwnAllocator(), Allocator::kUnknown);
#else
  EXPECT_EQ(OwnAllocator(), Find<void*>("gnu_get_libc_version") != nullptr ? Allocator::kGlibc : Allocator::kMusl);
#endif
}

TEST(OwnAllocator, OfTheCLibraryOrUnknownIsNotAskedForCounters) {
  AllocatorCounters counters;
  EXPECT_FALSE(ReadAllocatorCounters(counters));
  EXPECT_TRUE(std::isnan(counters.live));
}

TEST(ReleaseFreeMemory, GivesBackWhatGlibcHoldsAndIsRefusedWhereTheAllocatorIsNotKnown) {
  std::vector<void*> blocks;
  for (int i = 0; i < 20'000; i++) {
    blocks.push_back(std::malloc(5000));
    ASSERT_NE(blocks.back(), nullptr);
    std::memset(blocks.back(), 1, 5000);
  }
  // The last stays, so that free() does not trim the heap itself.
  for (size_t i = 0; i + 1 < blocks.size(); i++) std::free(blocks[i]);
  FreeMemoryRelease release;
  const Failure failure = ReleaseFreeMemory(release);
  std::free(blocks.back());
  if (OwnAllocator() == Allocator::kGlibc) {
    EXPECT_FALSE(failure);
    EXPECT_GT(release.before.anon - release.after.anon, 80e6);
    EXPECT_GT(release.milliseconds, 0);
  } else {
    EXPECT_EQ(failure.error, ENOTSUP);
  }
}

TEST(AllocatorFacts, SayWhyForEveryAllocatorAndNameACallOnlyWhereThereIsOne) {
  for (const Allocator allocator : {Allocator::kUnknown, Allocator::kGlibc, Allocator::kMusl, Allocator::kJemalloc,
                                    Allocator::kMimalloc, Allocator::kTcmalloc}) {
    const AllocatorFacts& facts = FactsOf(allocator);
    EXPECT_STRNE(facts.confidence, "") << NameOf(allocator);
    EXPECT_STRNE(facts.why, "") << NameOf(allocator);
    const bool releases = allocator != Allocator::kUnknown && allocator != Allocator::kMusl;
    EXPECT_EQ(facts.release[0] != '\0', releases) << NameOf(allocator);
  }
}

}  // namespace
}  // namespace tidemark
