// Against both libraries' functions made here. One heap: 200 MiB from the system, of which 60 were given back, 30 are
// in the page heap and 10 in caches; 100 are in use; 4 more are metadata.

#include "allocator/tcmalloc.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstdint>
#include <map>
#include <string>

namespace tidemark {
namespace {

constexpr size_t kMiB = 1 << 20;
using Properties = std::map<std::string, size_t>;

Properties g_properties;
int g_releases;
size_t g_released;

bool Answer(const std::string& name, size_t* value) {
  const auto found = g_properties.find(name);
  if (found == g_properties.end()) return false;
  *value = found->second;
  return true;
}

const Tcmalloc kGperftools = {[](const char* name, size_t* value) { return Answer(name, value) ? 1 : 0; },
                              [] { g_releases++; }, nullptr, nullptr};

const Tcmalloc kGoogle = {
    nullptr, nullptr,
    [](const char* name, size_t length, size_t* value) { return Answer(std::string(name, length), value); },
    [](size_t bytes) {
      g_released = bytes;
      return size_t{0};
    }};

const Properties kGperftoolsProperties = {{"generic.current_allocated_bytes", 100 * kMiB},
                                          {"generic.heap_size", 200 * kMiB},
                                          {"generic.total_physical_bytes", 144 * kMiB},
                                          {"tcmalloc.pageheap_free_bytes", 30 * kMiB},
                                          {"tcmalloc.pageheap_unmapped_bytes", 60 * kMiB}};

const Properties kGoogleProperties = {{"generic.current_allocated_bytes", 100 * kMiB},
                                      {"generic.heap_size", 140 * kMiB},
                                      {"generic.physical_memory_used", 144 * kMiB},
                                      {"tcmalloc.pageheap_free_bytes", 30 * kMiB},
                                      {"tcmalloc.pageheap_unmapped_bytes", 60 * kMiB}};

TEST(Tcmalloc, OfEitherLibraryTellsTheSameOfTheSameHeap) {
  for (const bool google : {false, true}) {
    g_properties = google ? kGoogleProperties : kGperftoolsProperties;
    AllocatorCounters counters;
    ASSERT_TRUE(ReadTcmalloc(google ? kGoogle : kGperftools, counters));
    EXPECT_EQ(counters.live, 100 * kMiB);
    EXPECT_EQ(counters.metadata, 4 * kMiB);
    EXPECT_EQ(counters.resident, 144 * kMiB);
    EXPECT_EQ(counters.free, 40 * kMiB);
    EXPECT_EQ(counters.releasable, 30 * kMiB);
  }
}

TEST(Tcmalloc, ThatLacksAPropertyLeavesWhatDependsOnItUnknownAndNothingElse) {
  g_properties = kGperftoolsProperties;
  g_properties.erase("generic.total_physical_bytes");
  AllocatorCounters counters;
  ASSERT_TRUE(ReadTcmalloc(kGperftools, counters));
  EXPECT_TRUE(std::isnan(counters.resident) && std::isnan(counters.metadata));
  EXPECT_EQ(counters.free, 40 * kMiB);
  g_properties.erase("generic.current_allocated_bytes");
  EXPECT_FALSE(ReadTcmalloc(kGperftools, counters));
}

TEST(Tcmalloc, IsAskedForAllThatItsPageHeapHolds) {
  g_releases = 0;
  EXPECT_EQ(ReleaseTcmalloc(kGperftools), 0);
  EXPECT_EQ(g_releases, 1);
  EXPECT_EQ(ReleaseTcmalloc(kGoogle), 0);
  EXPECT_EQ(g_released, SIZE_MAX);
}

TEST(Tcmalloc, ThatIsNotThereCanNeitherBeAskedNorRelease) {
  AllocatorCounters counters;
  EXPECT_FALSE(ReadTcmalloc({}, counters));
  EXPECT_EQ(ReleaseTcmalloc({}), ENOTSUP);
}

}  // namespace
}  // namespace tidemark
