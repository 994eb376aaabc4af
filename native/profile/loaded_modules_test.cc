#include "profile/loaded_modules.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <string_view>

namespace tidemark {
namespace {

constexpr uint64_t kSize = 0x4000;
constexpr uint64_t kText = 0x1000;  // link-time address

struct Loaded {
  std::string_view path;
  uint64_t bias;
  uint8_t build = 1;
};

void Update(LoadedModules& modules, std::initializer_list<Loaded> objects) {
  static uint64_t changes = 0;
  ObjectList list;
  list.changes = ++changes;
  for (const Loaded& loaded : objects) {
    LoadedObject* object = list.objects.Append();
    ASSERT_NE(object, nullptr);
    *object = LoadedObject{};
    object->bias = object->start = loaded.bias;
    object->end = loaded.bias + kSize;
    object->text_start = loaded.bias + kText;
    object->text_end = loaded.bias + 2 * kText;
    object->name = list.names.Intern(loaded.path);
    object->build_id_size = 1;
    object->build_id[0] = loaded.build;
  }
  ASSERT_TRUE(modules.Update(list));
  EXPECT_EQ(modules.Changes(), list.changes);
}

std::string NameAt(const LoadedModules& modules, uint64_t pc) {
  uint64_t address = 0;
  const uint32_t module = modules.Find(pc, address);
  return module == LoadedModules::kNone ? "?" : std::string(modules.PathOf(module)) + "+" + std::to_string(address);
}

TEST(LoadedModules, FindsCodeByItsLinkTimeAddress) {
  LoadedModules modules;
  Update(modules, {{"/a", 0x10000}, {"/b", 0x20000}});
  EXPECT_EQ(NameAt(modules, 0x20000 + kText + 5), "/b+4101");
  EXPECT_EQ(NameAt(modules, 0x10000 + kText - 1), "?");
  EXPECT_EQ(NameAt(modules, 0x10000 + 2 * kText), "?");
  EXPECT_EQ(NameAt(modules, 0), "?");
}

TEST(LoadedModules, AnObjectThatIsLoadedAgainAndAgainIsOneModule) {
  LoadedModules modules;
  for (uint64_t cycle = 0; cycle < 10'000; cycle++) {
    const uint64_t bias = 0x1000000 + cycle * 0x10000;
    Update(modules, {{"/main", 0x10000}, {"/plugin", bias}});
    ASSERT_EQ(NameAt(modules, bias + kText), "/plugin+4096");
    Update(modules, {{"/main", 0x10000}});
    modules.Settle();
  }
  EXPECT_EQ(modules.Count(), 2u);
}

TEST(LoadedModules, UnloadedCodeIsNamedUntilTheStacksOfBeforeAreTakenOver) {
  LoadedModules modules;
  Update(modules, {{"/a", 0x10000}, {"/b", 0x20000}});
  Update(modules, {{"/a", 0x10000}});
  Update(modules, {{"/a", 0x10000}, {"/c", 0x30000}});
  EXPECT_EQ(NameAt(modules, 0x20000 + kText), "/b+4096");
  modules.Settle();
  EXPECT_EQ(NameAt(modules, 0x20000 + kText), "?");
  EXPECT_EQ(NameAt(modules, 0x30000 + kText), "/c+4096");
}

TEST(LoadedModules, WhereOtherCodeHasComeNothingIsNamedUntilTheStacksOfBeforeAreTakenOver) {
  for (const uint64_t bias : {0x20000, 0x20800, 0x1F800}) {
    LoadedModules modules;
    Update(modules, {{"/a", 0x10000}, {"/b", 0x20000}});
    Update(modules, {{"/a", 0x10000}});
    Update(modules, {{"/a", 0x10000}, {"/c", bias}});
    EXPECT_EQ(NameAt(modules, bias + kText), "?");
    EXPECT_EQ(NameAt(modules, 0x10000 + kText), "/a+4096");
    // Not even after another look.
    Update(modules, {{"/a", 0x10000}, {"/c", bias}, {"/d", 0x40000}});
    EXPECT_EQ(NameAt(modules, bias + kText), "?");
    EXPECT_EQ(NameAt(modules, 0x40000 + kText), "/d+4096");
    modules.Settle();
    EXPECT_EQ(NameAt(modules, bias + kText), "/c+4096");
  }
}

TEST(LoadedModules, TheSameObjectInItsOldPlaceIsNamedAtOnce) {
  LoadedModules modules;
  Update(modules, {{"/a", 0x10000}, {"/b", 0x20000}});
  Update(modules, {{"/a", 0x10000}});
  Update(modules, {{"/a", 0x10000}, {"/b", 0x20000}});
  EXPECT_EQ(NameAt(modules, 0x20000 + kText), "/b+4096");
}

TEST(LoadedModules, AnotherBuildUnderTheSamePathIsAnotherModule) {
  LoadedModules modules;
  Update(modules, {{"/a", 0x10000, 1}});
  Update(modules, {{"/a", 0x50000, 2}});
  EXPECT_EQ(modules.Count(), 2u);
  modules.Clear();
  EXPECT_EQ(modules.Count(), 0u);
}

TEST(LoadedModules, BeyondTheLimitCodeIsUnknown) {
  LoadedModules modules;
  for (size_t i = 1; i < LoadedModules::kMaxModules + 2; i++) {
    const std::string path = "/plugin" + std::to_string(i);
    Update(modules, {{"/main", 0x10000}, {path, 0x20000}});
    modules.Settle();
  }
  EXPECT_EQ(modules.Count(), LoadedModules::kMaxModules);
  EXPECT_EQ(NameAt(modules, 0x20000 + kText), "?");
  EXPECT_EQ(NameAt(modules, 0x10000 + kText), "/main+4096");
}

}  // namespace
}  // namespace tidemark
