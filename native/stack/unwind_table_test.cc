#include "stack/unwind_table.h"

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <thread>
#include <vector>

#include "stack/stack_bounds.h"
#include "stack/walk.h"

namespace tidemark {
namespace {

void Code() {}
const auto kOwnCode = reinterpret_cast<uint64_t>(&Code);

// Publishes the process's objects, the test program listed as `kind`: as another kind it is another object, so a change
// of it makes its table anew.
bool Refresh(ObjectKind kind) {
  ObjectList list;
  if (!ListObjects(list)) return false;
  for (LoadedObject& object : list.objects) {
    if (object.kind == kExecutable) object.kind = kind;
  }
  return RefreshUnwindTables(list);
}

TEST(UnwindTables, HoldEveryLoadedObject) {
  ObjectList list;
  ASSERT_TRUE(ListObjects(list));
  ASSERT_TRUE(RefreshUnwindTables(list));
  const UnwindTables tables;
  for (const LoadedObject& object : list.objects) {
    if (object.text_start == object.text_end) continue;
    for (const uint64_t pc : {object.text_start, object.text_end - 1}) {
      const UnwindObject* found = tables.Find(pc);
      ASSERT_NE(found, nullptr) << list.names.At(object.name);
      EXPECT_EQ(found->text_start, object.text_start);
    }
  }
  EXPECT_EQ(tables.Find(0), nullptr);
  EXPECT_EQ(tables.Find(UINT64_MAX), nullptr);
  EXPECT_EQ(tables.Find(list.objects[0].text_end), nullptr);
}

TEST(UnwindTables, GiveTheRuleOfTheRowThatReachesToAnAddress) {
  ASSERT_TRUE(Refresh(kLibrary));
  const UnwindTables tables;
  for (const uint64_t pc : {kOwnCode, reinterpret_cast<uint64_t>(&qsort)}) {
    const UnwindObject* object = tables.Find(pc);
    ASSERT_NE(object, nullptr);
    ASSERT_NE(object->rows, nullptr);
    ASSERT_GT(object->row_count, 100U);
    EXPECT_EQ(object->rows[0].offset, 0U);
    for (uint32_t i = 1; i < object->row_count; i++) {
      ASSERT_LT(object->rows[i - 1].offset, object->rows[i].offset);
      const uint64_t first = object->text_start + object->rows[i].offset;
      ASSERT_EQ(object->RuleAt(first - 1), object->rows[i - 1].rule);
      if (first < object->text_end) {
        ASSERT_EQ(object->RuleAt(first), object->rows[i].rule);
      }
    }
  }
}

TEST(UnwindTables, SpareTheExecutableThatKeepsFramePointers) {
  ASSERT_TRUE(Refresh(kExecutable));
  const UnwindStats stats = GetUnwindStats();
  EXPECT_GE(stats.node_frame_pointer_share, 0);
  EXPECT_LE(stats.node_frame_pointer_share, 1);
  EXPECT_EQ(stats.node_keeps_frame_pointers, stats.node_frame_pointer_share >= 0.85);
  const UnwindTables tables;
  EXPECT_EQ(tables.Find(kOwnCode)->rows == nullptr, stats.node_keeps_frame_pointers);
  EXPECT_EQ(tables.Find(kOwnCode)->no_rule, NoRule::kFollow);
}

TEST(UnwindTables, AreNotMadeTwice) {
  ASSERT_TRUE(Refresh(kLibrary));
  const UnwindStats before = GetUnwindStats();
  const UnwindObject* object = UnwindTables().Find(kOwnCode);
  ASSERT_TRUE(Refresh(kLibrary));
  EXPECT_EQ(UnwindTables().Find(kOwnCode), object);
  EXPECT_EQ(GetUnwindStats().build_nanos, before.build_nanos);
  EXPECT_LT(before.bytes, kMaxTableBytes);
  EXPECT_EQ(before.skipped, 0U);
}

// A library of the C library's that nothing links with.
void* OpenAnyLibrary() {
  for (const char* name : {"libBrokenLocale.so.1", "libthread_db.so.1", "libanl.so.1"}) {
    void* library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (library != nullptr) return library;
  }
  return nullptr;
}

TEST(UnwindTables, ComeAndGoWithALibrary) {
  ASSERT_TRUE(Refresh(kLibrary));
  const uint64_t objects = GetUnwindStats().objects;
  for (int i = 0; i < 20; i++) {
    void* library = OpenAnyLibrary();
    if (library == nullptr) GTEST_SKIP() << "no library to load";
    ASSERT_TRUE(Refresh(kLibrary));
    EXPECT_EQ(GetUnwindStats().objects, objects + 1);
    dlclose(library);
    ASSERT_TRUE(Refresh(kLibrary));
    EXPECT_EQ(GetUnwindStats().objects, objects);
  }
  EXPECT_LT(GetUnwindStats().bytes, size_t{4} << 20);
}

TEST(UnwindTables, OfALibraryThatIsGoneMeanwhileAreNotMade) {
  void* library = OpenAnyLibrary();
  if (library == nullptr) GTEST_SKIP() << "no library to load";
  ObjectList list;
  ASSERT_TRUE(ListObjects(list));
  dlclose(library);
  const size_t last = list.objects.size() - 1;
  ASSERT_TRUE(RefreshUnwindTables(list));  // what it would read is not mapped any more
  const UnwindTables tables;
  EXPECT_EQ(tables.Find(list.objects[last].text_start)->rows, nullptr);
}

TEST(UnwindTables, StayAsTheyAreUntilTheWalkThatReadsThemHasEnded) {
  ASSERT_TRUE(Refresh(kLibrary));
  {
    const UnwindTables held;
    const UnwindObject* object = held.Find(kOwnCode);
    const UnwindRule rule = object->RuleAt(kOwnCode);
    EXPECT_TRUE(Refresh(kVdso));      // published; what it replaced stays
    EXPECT_FALSE(Refresh(kLibrary));  // nothing more until then
    EXPECT_EQ(held.Find(kOwnCode), object);
    EXPECT_EQ(object->RuleAt(kOwnCode), rule);
    EXPECT_NE(UnwindTables().Find(kOwnCode), object);
  }
  EXPECT_TRUE(Refresh(kLibrary));
}

// What compares walks to a backtrace is in walk_test.cc; here they only have to end while tables are replaced. A table
// that is unmapped too early is a fault.
TEST(UnwindTables, AreReplacedUnderWalks) {
  ASSERT_TRUE(Refresh(kLibrary));
  std::atomic<bool> done{false};
  std::vector<std::thread> walkers;
  std::atomic<uint64_t> incomplete{0};
  for (int i = 0; i < 4; i++) {
    walkers.emplace_back([&done, &incomplete] {
      StackBounds bounds = {};
      uint64_t pcs[kMaxFrames];
      while (!done) {
        const auto frame = reinterpret_cast<uint64_t>(__builtin_frame_address(0));
        const Registers caller = {reinterpret_cast<uint64_t>(__builtin_return_address(0)),
                                  reinterpret_cast<uint64_t>(__builtin_dwarf_cfa()),
                                  *reinterpret_cast<const uint64_t*>(frame)};
        if (WalkStack(caller, StackEnd(caller.sp, bounds), pcs, kMaxFrames).end != WalkEnd::kBottom) incomplete++;
      }
    });
  }
  int published = 0;
  for (int i = 0; i < 60; i++) {
    if (Refresh(i % 2 == 0 ? kVdso : kLibrary)) published++;
  }
  done = true;
  for (std::thread& walker : walkers) walker.join();
  EXPECT_GT(published, 10);
  EXPECT_EQ(incomplete, 0U);
}

}  // namespace
}  // namespace tidemark
