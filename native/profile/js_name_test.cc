#include "profile/js_name.h"

#include <gtest/gtest.h>

#include <string>

namespace tidemark {
namespace {

TEST(JsName, IsGivenWholeUpToTheLimit) {
  CodeMap map;
  const std::string name = "JS:*resize /app/thumbs.js:41:17";
  map.Add(0x1000, 16, name);
  const uint64_t pc = 0x1008;
  CodeMap::Resolved resolved;
  map.Resolve(&pc, 1, &resolved);
  char buffer[kMaxJsNameBytes + 1];
  EXPECT_EQ(CopyJsName(map, resolved.name, buffer), name);
  EXPECT_EQ(CopyJsName(map, CodeMap::kNone, buffer), "");
}

TEST(JsName, OfALongerOneOnlyItsOwnBytesAreGiven) {
  CodeMap map;
  const std::string name = "JS:*" + std::string(3 * kMaxJsNameBytes, 'f');
  map.Add(0x1000, 16, name);
  const uint64_t pc = 0x1008;
  CodeMap::Resolved resolved;
  map.Resolve(&pc, 1, &resolved);
  char buffer[kMaxJsNameBytes + 1];
  EXPECT_EQ(CopyJsName(map, resolved.name, buffer), name.substr(0, kMaxJsNameBytes));
}

TEST(JsName, IsCutBetweenCharacters) {
  EXPECT_EQ(CutBetweenCharacters("größe", 4), "grö");
  EXPECT_EQ(CutBetweenCharacters("größe", 3), "gr");
  EXPECT_EQ(CutBetweenCharacters("größe", 2), "gr");
  EXPECT_EQ(CutBetweenCharacters("größe", 7), "größe");
  EXPECT_EQ(CutBetweenCharacters("\x80\x80\x80", 2), "");
}

}  // namespace
}  // namespace tidemark
