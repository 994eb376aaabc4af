#include "elf/relocation_slots.h"

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "elf/test_images.h"

namespace tidemark {
namespace {

using images::Loaded;

template <uint16_t kMachine = kThisMachine>
std::vector<RelocationSlot> SlotsOf(const LoadedObject& object) {
  std::vector<RelocationSlot> slots;
  ForEachSlot<kMachine>(object, [&](const RelocationSlot& slot) { slots.push_back(slot); });
  return slots;
}

template <uint16_t kMachine>
void ExpectThreeKinds(uint32_t jump_slot, uint32_t glob_dat, uint32_t absolute) {
  Loaded image;
  image.AddRelocation(glob_dat, 1, Loaded::kGot + 8);
  image.AddRelocation(absolute, 2, Loaded::kGot + 16);
  image.AddRelocation(99, 1, Loaded::kGot + 24);
  image.AddPltRelocation(jump_slot, 1, Loaded::kGot);
  const std::vector<RelocationSlot> slots = SlotsOf<kMachine>(image.Describe());
  ASSERT_EQ(slots.size(), 3u);
  const auto address = [&](size_t i) { return reinterpret_cast<uint64_t>(slots[i].address) - image.bias(); };
  EXPECT_EQ(slots[0].kind, SlotKind::kJumpSlot);
  EXPECT_EQ(address(0), Loaded::kGot);
  EXPECT_STREQ(slots[0].symbol, "malloc");
  EXPECT_FALSE(slots[0].defined_here);
  EXPECT_EQ(slots[1].kind, SlotKind::kGlobDat);
  EXPECT_EQ(address(1), Loaded::kGot + 8);
  EXPECT_EQ(slots[2].kind, SlotKind::kAbsolute);
  EXPECT_EQ(address(2), Loaded::kGot + 16);
  EXPECT_STREQ(slots[2].symbol, "local_thing");
  EXPECT_TRUE(slots[2].defined_here);
}

constexpr SlotTypes kTypes = SlotTypesOf(kThisMachine);

// By the numbers of the two ABIs, not by the names in elf.h.
TEST(ForEachSlot, KnowsTheThreeKindsOnBothMachines) {
  ExpectThreeKinds<EM_X86_64>(7, 6, 1);
  ExpectThreeKinds<EM_AARCH64>(1026, 1025, 257);
}

TEST(ForEachSlot, LeavesOutWhatIsNoWordOfTheObject) {
  const auto slots = [](size_t symbol, uint64_t offset, int64_t addend = 0, uint32_t type = kTypes.glob_dat) {
    Loaded image;
    image.AddRelocation(type, symbol, offset, addend);
    return SlotsOf(image.Describe()).size();
  };
  const uint64_t kEnd = 3 * Loaded::kPage;
  EXPECT_EQ(slots(1, Loaded::kGot), 1u);
  EXPECT_EQ(slots(1, kEnd - 8), 1u) << "the last word";
  EXPECT_EQ(slots(1, 0), 1u) << "the first word";
  EXPECT_EQ(slots(1, kEnd), 0u);
  EXPECT_EQ(slots(1, kEnd + 8), 0u);
  EXPECT_EQ(slots(1, Loaded::kGot + 4), 0u) << "a store there would tear";
  EXPECT_EQ(slots(1, UINT64_MAX - 7), 0u) << "before the object";
  EXPECT_EQ(slots(1, Loaded::kGot, 16), 0u) << "not the symbol's own address";
  EXPECT_EQ(slots(1, Loaded::kGot, 16, kTypes.absolute), 0u);
  EXPECT_EQ(slots(0, Loaded::kGot), 0u) << "no symbol";
  EXPECT_EQ(slots(3, Loaded::kGot), 0u) << "a symbol without a name";
  EXPECT_EQ(slots(Loaded::kPage / sizeof(Elf64_Sym), Loaded::kGot), 0u) << "beyond the segment of the symbols";
  EXPECT_EQ(slots(UINT32_MAX, Loaded::kGot), 0u);
}

TEST(ForEachSlot, LeavesOutAWordThatTheObjectEndsIn) {
  Loaded image;
  image.headers[2].p_memsz -= 4;
  image.AddRelocation(kTypes.glob_dat, 1, 3 * Loaded::kPage - 8);
  EXPECT_EQ(SlotsOf(image.Describe()).size(), 0u);
}

TEST(ForEachSlot, LeavesOutANameBeyondTheStrings) {
  Loaded image;
  image.AddRelocation(kTypes.glob_dat, 1, Loaded::kGot);
  for (const uint32_t name : {20u, 21u, UINT32_MAX}) {
    image.symbols()[1].st_name = name;
    EXPECT_EQ(SlotsOf(image.Describe()).size(), 0u) << name;
  }
}

TEST(ForEachSlot, FindsTheWordThroughWhichThisExecutableReachesLibc) {
  char* (*volatile getenv_here)(const char*) = &std::getenv;
  ObjectList list;
  ASSERT_TRUE(ListObjects(list));
  size_t found = 0;
  for (const RelocationSlot& slot : SlotsOf(list.objects[0])) {
    if (std::string(slot.symbol) != "getenv" || slot.kind == SlotKind::kJumpSlot) continue;
    found++;
    EXPECT_EQ(*slot.address, reinterpret_cast<uintptr_t>(getenv_here));
    EXPECT_FALSE(slot.defined_here);
  }
  EXPECT_GT(found, 0u);
}

}  // namespace
}  // namespace tidemark
