#include "allocator/allocator.h"

#include <gtest/gtest.h>

#include <fstream>
#include <initializer_list>
#include <sstream>
#include <string>

#include "proc/maps.h"
#include "proc/smaps.h"

namespace tidemark {
namespace {

std::string From(std::initializer_list<const char*> mappings) {
  StringTable names;
  for (const char* name : mappings) names.Intern(name);
  return NameOf(AllocatorFromMappings(names));
}

std::string Text(const std::string& fixture) {
  std::ifstream file(std::string(TIDEMARK_FIXTURES) + "/" + fixture);
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_FALSE(text.str().empty()) << fixture;
  return text.str();
}

constexpr char kLibc[] = "/usr/lib/x86_64-linux-gnu/libc.so.6";

TEST(AllocatorFromMappings, IsTheCLibrarysWhereNothingElseIsLoaded) {
  EXPECT_EQ(From({"/usr/bin/node", "[heap]", kLibc, "[stack]"}), "glibc");
  EXPECT_EQ(From({"/usr/bin/node", "/lib64/libc-2.28.so"}), "glibc");
  EXPECT_EQ(From({"/usr/bin/node", "/lib/ld-musl-aarch64.so.1"}), "musl");
}

TEST(AllocatorFromMappings, IsTheOneThatWasPreloadedInAnyOfItsVariantsAndDeletedSince) {
  for (const char* path : {"/usr/lib/libjemalloc.so.2", "/opt/libjemalloc-5.3.so", "/x/libjemalloc.so.2 (deleted)"}) {
    EXPECT_EQ(From({kLibc, path}), "jemalloc") << path;
    EXPECT_EQ(From({path, kLibc}), "jemalloc") << path;
  }
  for (const char* path : {"/usr/lib/libmimalloc.so.2.0", "/usr/lib/libmimalloc-secure.so", "/x/libmimalloc.so.3.1"}) {
    EXPECT_EQ(From({kLibc, path}), "mimalloc") << path;
  }
  for (const char* path : {"/usr/lib/libtcmalloc.so.4.5.10", "/usr/lib/libtcmalloc_minimal.so.4",
                           "/usr/lib/libtcmalloc_and_profiler.so.4"}) {
    EXPECT_EQ(From({kLibc, path}), "tcmalloc") << path;
  }
  EXPECT_EQ(From({"/lib/ld-musl-x86_64.so.1", "/usr/lib/libmimalloc.so.2"}), "mimalloc");
}

TEST(AllocatorFromMappings, IsUnknownForAStaticProgramAndForTwoAllocatorsAtOnce) {
  EXPECT_EQ(From({}), "unknown");
  EXPECT_EQ(From({"/usr/bin/static-server", "[heap]", "[vdso]"}), "unknown");
  EXPECT_EQ(From({kLibc, "/usr/lib/libjemalloc.so.2", "/usr/lib/libmimalloc.so.2"}), "unknown");
}

TEST(AllocatorFromMappings, IsNotMisledByNamesThatOnlyLookAlike) {
  EXPECT_EQ(From({kLibc, "/srv/libjemallocator.so", "/srv/libjemalloc", "/srv/libjemalloc.txt", "[anon:libjemalloc.so]",
                  "/usr/lib/libjemalloc.so.d/notes", "/srv/node_modules/libtcmalloc-notes"}),
            "glibc");
  EXPECT_EQ(From({"/usr/lib/libcrypto.so.3", "/usr/lib/libc++.so.1"}), "unknown");
}

TEST(AllocatorFromMappings, IsGlibcsInEveryRecordedProcess) {
  for (const char* fixture : {"node24.txt", "python3.txt"}) {
    const std::string text = Text(std::string("maps/") + fixture);
    MapsTable table;
    size_t line = 0;
    int error = 0;
    EXPECT_EQ(ParseMaps(text, true, table, line, error), text.size());
    EXPECT_EQ(AllocatorFromMappings(table.names), Allocator::kGlibc) << fixture;
  }
  for (const char* fixture : {"node20.txt", "node22.txt", "node24.txt", "node26.txt", "python3.txt"}) {
    const std::string text = Text(std::string("smaps/") + fixture);
    SmapsTable table;
    SmapsParser parser(table);
    EXPECT_EQ(parser.Parse(text, true), static_cast<ssize_t>(text.size()));
    EXPECT_EQ(AllocatorFromMappings(table.names), Allocator::kGlibc) << fixture;
  }
}

}  // namespace
}  // namespace tidemark
