#include "base/string_table.h"

#include <gtest/gtest.h>

#include <string>

namespace tidemark {
namespace {

TEST(StringTable, GivesEachDistinctStringOneNumberInOrderOfAppearance) {
  StringTable table;
  EXPECT_EQ(table.Intern("[heap]"), 0u);
  EXPECT_EQ(table.Intern("/usr/bin/node"), 1u);
  EXPECT_EQ(table.Intern("[heap]"), 0u);
  EXPECT_EQ(table.Intern("/usr/bin/node"), 1u);
  EXPECT_EQ(table.size(), 2u);
  EXPECT_EQ(table.At(1), "/usr/bin/node");
}

// The lowest mapping of a position-independent V8 process has no name.
TEST(StringTable, TakesTheEmptyStringEvenAsTheFirst) {
  StringTable table;
  EXPECT_EQ(table.Intern(""), 0u);
  EXPECT_EQ(table.Intern("a"), 1u);
  EXPECT_EQ(table.Intern(""), 0u);
  EXPECT_EQ(table.At(0), "");
  EXPECT_EQ(table.size(), 2u);
}

TEST(StringTable, LooksUpWithoutAdding) {
  StringTable table;
  EXPECT_EQ(table.Lookup("a"), StringTable::kFull);
  table.Intern("a");
  table.Intern("b");
  EXPECT_EQ(table.Lookup("a"), 0u);
  EXPECT_EQ(table.Lookup("c"), StringTable::kFull);
  EXPECT_EQ(table.size(), 2u);
}

TEST(StringTable, KeepsStringsWithAnyBytesAndLengths) {
  StringTable table;
  const std::string zeros("a\0b", 3);
  const std::string a("a\0c", 3);
  const std::string huge(300'000, 'x');
  EXPECT_EQ(table.Intern(zeros), 0u);
  EXPECT_EQ(table.Intern(a), 1u);
  EXPECT_EQ(table.Intern(huge), 2u);
  EXPECT_EQ(table.Intern(zeros), 0u);
  EXPECT_EQ(table.At(2), huge);
  EXPECT_EQ(table.At(0), zeros);
}

TEST(StringTable, KeepsFiftyThousandStringsApart) {
  StringTable table;
  for (uint32_t pass = 0; pass < 2; pass++) {
    for (uint32_t i = 0; i < 50'000; i++) ASSERT_EQ(table.Intern("/tmp/file-" + std::to_string(i)), i);
  }
  EXPECT_EQ(table.size(), 50'000u);
  EXPECT_EQ(table.At(49'999), "/tmp/file-49999");
}

}  // namespace
}  // namespace tidemark
