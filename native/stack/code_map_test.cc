#include "stack/code_map.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace tidemark {
namespace {

constexpr uint32_t kNone = CodeMap::kNone;

CodeMap::Resolved Resolve(CodeMap& map, uint64_t pc) {
  CodeMap::Resolved resolved;
  map.Resolve(&pc, 1, &resolved);
  return resolved;
}

std::string NameOf(CodeMap& map, uint32_t id) {
  if (id == kNone) return "";
  char text[8192];
  const size_t length = map.CopyName(id, text, sizeof text);
  return {text, std::min(length, sizeof text)};
}

std::string NameAt(CodeMap& map, uint64_t pc) { return NameOf(map, Resolve(map, pc).name); }

std::string File(int i) { return "JS:~f" + std::to_string(i) + " /app/m" + std::to_string(i) + ".js:1:1" + "0"; }

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t Below(uint64_t bound) {
    state_ = state_ * 6364136223846793005 + 1442695040888963407;
    return (state_ >> 33) % bound;
  }

 private:
  uint64_t state_;
};

TEST(CodeMap, NamesEveryReturnAddressOfACall) {
  CodeMap map;
  map.Add(0x1000, 0x100, "JS:*f /app/a.js:1:10");
  EXPECT_EQ(NameAt(map, 0x1000), "JS:*f /app/a.js:1:10") << "where a deoptimized frame goes on";
  EXPECT_EQ(NameAt(map, 0x1080), "JS:*f /app/a.js:1:10");
  EXPECT_EQ(NameAt(map, 0x1100), "JS:*f /app/a.js:1:10") << "behind a call that is the last instruction";
  EXPECT_EQ(NameAt(map, 0x0fff), "");
  EXPECT_EQ(NameAt(map, 0x1101), "");
}

TEST(CodeMap, AnAddressBetweenTwoNeighboursBelongsToTheCallBeforeIt) {
  CodeMap map;
  map.Add(0x1000, 0x100, "Builtin:A");
  map.Add(0x1100, 0x100, "Builtin:B");
  EXPECT_EQ(NameAt(map, 0x1100), "Builtin:A");
  EXPECT_EQ(NameAt(map, 0x1101), "Builtin:B");
}

TEST(CodeMap, AnAddressInBytecodeIsTheBytecodeThatRuns) {
  CodeMap map;
  map.Add(0x1000, 0x10, "JS:~a /app/a.js:1:10", CodeKind::kBytecode);
  map.Add(0x1010, 0x10, "JS:~b /app/a.js:2:10", CodeKind::kBytecode);
  EXPECT_EQ(NameAt(map, 0x1010), "JS:~b /app/a.js:2:10");
  EXPECT_EQ(NameAt(map, 0x1020), "");
}

TEST(CodeMap, NewCodeEndsEverythingThatItOverlaps) {
  CodeMap map;
  map.Add(0x1000, 0x100, "JS:*a /app/a.js:1:10");
  map.Add(0x1100, 0x100, "JS:*b /app/a.js:2:10");
  map.Add(0x1200, 0x100, "JS:*c /app/a.js:3:10");
  Resolve(map, 0);  // as well in the table as in the log
  map.Add(0x10f0, 0x120, "JS:*d /app/a.js:4:10");
  EXPECT_EQ(NameAt(map, 0x1080), "");
  EXPECT_EQ(NameAt(map, 0x1180), "JS:*d /app/a.js:4:10");
  EXPECT_EQ(NameAt(map, 0x1280), "");
  EXPECT_EQ(map.GetStats().entries, 1u);
}

// What ended stays ended when that which ended it has gone, too.
TEST(CodeMap, AgreesWithAMapThatIsKeptOneEventAtATime) {
  struct Code {
    uint64_t end;
    std::string name;
    bool left;
  };
  for (uint64_t seed = 1; seed <= 5; seed++) {
    Random random(seed);
    auto map = std::make_unique<CodeMap>();
    std::map<uint64_t, Code> reference;
    const auto end_overlapped = [&reference](uint64_t start, uint64_t end) {
      auto at = reference.lower_bound(start);
      if (at != reference.begin() && std::prev(at)->second.end > start) --at;
      while (at != reference.end() && at->first < end) at = reference.erase(at);
    };
    for (int event = 0; event < 20000; event++) {
      const uint64_t start = 0x10000 + 16 * random.Below(2000);
      if (random.Below(4) == 0 && !reference.empty()) {
        auto from = reference.lower_bound(start);
        if (from == reference.end() || from->second.left) continue;
        const uint64_t to = 0x10000 + 16 * random.Below(2000);
        const Code code = from->second;
        const uint64_t length = code.end - from->first;
        map->Move(from->first, to);
        from->second.left = true;
        end_overlapped(to, to + length);
        reference[to] = {to + length, code.name, false};
      } else {
        const uint64_t length = 1 + random.Below(300);
        const std::string name = File(event % 500);
        end_overlapped(start, start + length);
        reference[start] = {start + length, name, false};
        map->Add(start, static_cast<uint32_t>(length), name, CodeKind::kBytecode);
      }
      if (random.Below(500) != 0) continue;
      for (const auto& [begin, code] : reference) {
        ASSERT_EQ(NameAt(*map, begin), code.name) << "seed " << seed << " event " << event;
        ASSERT_EQ(NameAt(*map, code.end - 1), code.name);
      }
      for (uint64_t pc = 0x10000; pc < 0x18400; pc += 16) {
        auto at = reference.upper_bound(pc);
        const bool known = at != reference.begin() && std::prev(at)->second.end > pc;
        ASSERT_EQ(NameAt(*map, pc), known ? std::prev(at)->second.name : "") << std::hex << pc;
      }
    }
  }
}

TEST(CodeMap, CodeThatMovedIsNamedAtBothPlacesUntilTheOldOneIsTaken) {
  CodeMap map;
  map.Add(0x1000, 0x100, "JS:*f /app/a.js:1:10");
  map.Move(0x1000, 0x9000);
  EXPECT_EQ(NameAt(map, 0x1010), "JS:*f /app/a.js:1:10");
  EXPECT_EQ(NameAt(map, 0x9010), "JS:*f /app/a.js:1:10");
  map.Move(0x9000, 0x9800);
  EXPECT_EQ(NameAt(map, 0x9810), "JS:*f /app/a.js:1:10");
  map.Add(0x1080, 0x10, "JS:*g /app/a.js:2:10");
  EXPECT_EQ(NameAt(map, 0x1010), "");
  EXPECT_EQ(map.GetStats().moved, 2u);
}

TEST(CodeMap, CodeOfWhichItWasNeverToldTakesThePlaceOfWhatWasThere) {
  CodeMap map;
  map.Add(0x1000, 0x100, "JS:*f /app/a.js:1:10");
  map.Move(0x7000, 0x1040);
  EXPECT_EQ(NameAt(map, 0x1080), "");
  EXPECT_EQ(NameAt(map, 0x1040), "");
  EXPECT_EQ(map.GetStats().dropped, 1u);
  // The place that it moved away from is as unknown as it was.
  map.Add(0x2000, 0x100, "JS:*g /app/a.js:2:10");
  map.Move(0x2000, 0x3000);
  map.Move(0x2000, 0x4000);
  EXPECT_EQ(NameAt(map, 0x4010), "");
}

TEST(CodeMap, EvictsOldPlacesAndCodeWithoutAFileThenTheOldestButNoBuiltin) {
  CodeMap map(6);
  map.Add(0x1000, 0x10, "Builtin:Call");
  map.Add(0x2000, 0x10, "BytecodeHandler:Ldar");
  for (uint64_t i = 0; i < 3; i++) map.Add(0x3000 + i * 0x100, 0x10, File(static_cast<int>(i)));
  map.Add(0x4000, 0x10, "JS:~anonymous :1:1");
  map.Move(0x3000, 0x5000);
  EXPECT_EQ(NameAt(map, 0x4008), "");
  EXPECT_EQ(NameAt(map, 0x3008), File(0));
  map.Add(0x6000, 0x10, File(3));
  EXPECT_EQ(NameAt(map, 0x3008), "") << "the old place";
  EXPECT_EQ(NameAt(map, 0x5008), File(0));
  EXPECT_EQ(map.GetStats().evicted_without_file, 2u);
  map.Add(0x7000, 0x10, File(4));
  EXPECT_EQ(NameAt(map, 0x3108), "") << "the oldest: it has not moved since it was added";
  EXPECT_EQ(NameAt(map, 0x5008), File(0)) << "code that moved has shown that it lives";
  EXPECT_EQ(map.GetStats().evicted_with_file, 1u);
  EXPECT_EQ(NameAt(map, 0x1008), "Builtin:Call");
  EXPECT_EQ(NameAt(map, 0x2008), "BytecodeHandler:Ldar");
  EXPECT_EQ(map.GetStats().entries, 6u);
}

// A stack that was taken before a collection moved its code is named up to a second later.
TEST(CodeMap, AnOldPlaceIsKeptLongerThanOlderCodeWithoutAFile) {
  CodeMap map(100);
  map.Add(0x1000, 0x10, File(0));
  for (uint64_t i = 0; i < 300; i++) {
    map.Add(0x10000 + i * 0x100, 0x10, "JS:~anonymous :1:1");
    if (i == 250) map.Move(0x1000, 0x2000);
  }
  EXPECT_EQ(NameAt(map, 0x1008), File(0));
}

TEST(CodeMap, CodeWithoutAFileIsStillThatAfterAMove) {
  CodeMap map(3);
  map.Add(0x1000, 0x10, "JS:~anonymous :3:10");
  map.Add(0x2000, 0x10, File(0));
  map.Move(0x1000, 0x5000);
  map.Add(0x3000, 0x10, File(1));  // the old place goes
  map.Add(0x4000, 0x10, File(2));  // the moved code goes, though it is newer than File(0)
  EXPECT_EQ(NameAt(map, 0x5008), "");
  for (int i = 0; i < 3; i++) EXPECT_EQ(NameAt(map, 0x2008 + 0x1000 * static_cast<uint64_t>(i)), File(i));
}

TEST(CodeMap, CodeOfAnIsolateThatHasGoneIsNamedUntilTheLivingNeedTheRoom) {
  CodeMap map(100);
  map.Add(0x1000, 0x10, "Builtin:Call", CodeKind::kMachine, 1);
  map.Add(0x2000, 0x10, File(0), CodeKind::kBytecode, 1);
  for (uint64_t i = 0; i < 40; i++) {
    map.Add(0x10000 + i * 0x100, 0x10, "Builtin:B" + std::to_string(i), CodeKind::kMachine, 2);
    map.Add(0x20000 + i * 0x100, 0x10, File(static_cast<int>(i)), CodeKind::kBytecode, 2);
  }
  map.Forget(2);
  EXPECT_EQ(NameAt(map, 0x10008), "Builtin:B0");
  EXPECT_EQ(NameAt(map, 0x20008), File(0));
  for (uint64_t i = 0; i < 80; i++) map.Add(0x30000 + i * 0x100, 0x10, File(1), CodeKind::kBytecode, 3);
  EXPECT_EQ(NameAt(map, 0x10008), "");
  EXPECT_EQ(NameAt(map, 0x1008), "Builtin:Call");
  EXPECT_EQ(NameAt(map, 0x2008), File(0));
  for (uint64_t i = 0; i < 80; i++) ASSERT_EQ(NameAt(map, 0x30008 + i * 0x100), File(1));
}

TEST(CodeMap, KnowsCodeOfFilesFromCodeWithout) {
  // With room for one of the two, the one of a file stays.
  const char* with[] = {"JS:^resize /app/thumbs.js:41:17", "JS:~ /app/main.js:1:1",
                        "JS:*'get size node:buffer:1:2",   "Script:~ file:///app/esm.mjs:1:1",
                        "Script:~ file:///app/esm.mjs",    "JS:o*weird name /tmp/a dir/b.js:3:4",
                        "JS:~f webpack:///src/a.ts:1:2"};
  const char* without[] = {"JS:~anonymous :1:1",
                           "Eval:~ :1:1",
                           "JS:~f evalmachine.<anonymous>:1:2",
                           "RegExp:a|b",
                           "RegExp.< src: '/app/(.*):1:1' flags: ''",
                           "JS:~ :1:20",
                           "Script:~ "};
  for (const char* file : with) {
    for (const char* other : without) {
      CodeMap map(1);
      map.Add(0x1000, 0x10, file);
      map.Add(0x2000, 0x10, other);
      EXPECT_EQ(NameAt(map, 0x1008), file) << other;
      EXPECT_EQ(NameAt(map, 0x2008), "") << file;
    }
  }
}

// 200 functions that are called all the time, among others that come and go at addresses that are used again.
TEST(CodeMap, NamesTheLivingUnderChurnRightOrNotAtAll) {
  auto map = std::make_unique<CodeMap>(1000);
  Random random(7);
  struct Site {
    uint64_t at;
    std::string name;
  };
  std::vector<Site> sites;
  for (int i = 0; i < 200; i++) {
    sites.push_back({0x100000 + static_cast<uint64_t>(i) * 0x1000, "JS:*site" + std::to_string(i) + " /app/s.js:1:9"});
    map->Add(sites.back().at, 0x200, sites.back().name);
  }
  uint64_t unknown = 0;
  for (int round = 0; round < 300; round++) {
    for (int i = 0; i < 2000; i++) {
      const uint64_t start = 0x10000000 + random.Below(1 << 20) * 64;
      map->Add(start, static_cast<uint32_t>(64 + random.Below(2000)), "JS:~churn" + std::to_string(i % 50) + " :1:9");
    }
    Site& moved = sites[random.Below(sites.size())];
    const uint64_t to = 0x40000000 + random.Below(1 << 20) * 0x1000;
    map->Move(moved.at, to);
    moved.at = to;
    for (const Site& site : sites) {
      const std::string name = NameAt(*map, site.at + 0x100);
      unknown += name.empty();
      ASSERT_TRUE(name.empty() || name == site.name) << name << " for " << site.name;
    }
  }
  EXPECT_EQ(unknown, 0u) << "those without a file are enough to evict";
}

TEST(CodeMap, TwoMillionFunctionsStayWithinTheBudget) {
  auto map = std::make_unique<CodeMap>(20000);
  Random random(3);
  LinePosition lines[20];
  for (uint32_t i = 0; i < 20; i++) lines[i] = {i * 5, i * 9};
  for (int i = 0; i < 2000000; i++) {
    const uint64_t start = 0x10000000 + random.Below(uint64_t{1} << 30) * 64;
    map->SetLines(start, lines, 20);
    map->Add(start, 64, "JS:~f" + std::to_string(i) + " /app/a.js:" + std::to_string(i) + ":1", CodeKind::kBytecode);
  }
  Resolve(*map, 0);
  const CodeMap::Stats stats = map->GetStats();
  EXPECT_EQ(stats.added, 2000000u);
  EXPECT_EQ(stats.entries, 20000u);
  EXPECT_LE(stats.name_bytes, CodeMap::kMaxNameBytes);
  EXPECT_LE(stats.line_bytes, LineTables::kMaxBytes);
  EXPECT_GT(stats.names_dropped, 0u);
  EXPECT_LE(stats.bytes, size_t{14} << 20);
}

TEST(CodeMap, NamesThatNoLongerFitShareOneThatSaysSo) {
  auto map = std::make_unique<CodeMap>();
  const std::string filler(4000, 'x');
  uint64_t start = 0x10000;
  const auto add = [&](const std::string& name) {
    start += 0x100;
    map->Add(start, 0x10, name);
    return start + 8;
  };
  const uint64_t early = add("JS:~early /app/a.js:1:1");
  for (int i = 0; i < 3000; i++) add("RegExp:" + std::to_string(i) + filler);
  for (int i = 0; i < 100; i++) add("RegExp:" + std::to_string(i));
  const uint64_t pattern = add("RegExp:late");
  const uint64_t file = add("JS:~late /app/a.js:2:1");
  EXPECT_EQ(NameAt(*map, pattern), "(name dropped)");
  EXPECT_EQ(NameAt(*map, file), "JS:~late /app/a.js:2:1") << "half of the room is kept for files";
  for (int i = 0; i < 3000; i++) add("JS:~" + std::to_string(i) + filler + " /app/a.js:1:1");
  for (int i = 0; i < 100; i++) add("JS:~" + std::to_string(i) + " /app/a.js:1:1");
  EXPECT_EQ(NameAt(*map, add("JS:~last /app/a.js:3:1")), "(name dropped)");
  EXPECT_EQ(NameAt(*map, add("JS:~early /app/a.js:1:1")), "JS:~early /app/a.js:1:1") << "a known name needs no room";
  EXPECT_EQ(NameAt(*map, early), "JS:~early /app/a.js:1:1");
  EXPECT_LE(map->GetStats().name_bytes, CodeMap::kMaxNameBytes);
}

TEST(CodeMap, CopiesAsMuchOfANameAsThereIsRoomFor) {
  CodeMap map;
  map.Add(0x1000, 0x10, "Builtin:Call");
  const uint32_t id = Resolve(map, 0x1008).name;
  char out[5] = "....";
  EXPECT_EQ(map.CopyName(id, out, 3), 12u);
  EXPECT_STREQ(out, "Bui.");
  EXPECT_EQ(map.CopyName(id, nullptr, 0), 12u);
  EXPECT_EQ(map.CopyName(id + 1, out, 3), 0u);
  EXPECT_EQ(map.CopyName(kNone, out, 3), 0u);
}

TEST(CodeMap, InterpretedFramesHaveThePositionOfTheCallThatTheyAreIn) {
  CodeMap map;
  const LinePosition lines[] = {{0, 160}, {6, 167}, {17, 183}};
  map.SetLines(0x1000, lines, 3);
  map.Add(0x1000, 25, "JS:~f /app/a.js:5:21", CodeKind::kBytecode);
  EXPECT_EQ(Resolve(map, 0x1006).position, 167);
  EXPECT_EQ(Resolve(map, 0x1005).position, 160);
  EXPECT_EQ(Resolve(map, 0x1018).position, 183);
}

TEST(CodeMap, OptimizedFramesHaveThePositionOfTheCallBeforeTheReturnAddress) {
  CodeMap map;
  const LinePosition bytecode[] = {{0, 160}, {6, 167}, {17, 183}};
  map.SetLines(0x1000, bytecode, 3);
  map.Add(0x1000, 25, "JS:~f /app/a.js:5:21", CodeKind::kBytecode);
  const LinePosition machine[] = {{20, 167}, {40, 183}};
  map.SetLines(0x9000, machine, 2);
  map.Add(0x9000, 100, "JS:o*'f /app/a.js:5:21");
  const CodeMap::Resolved resolved = Resolve(map, 0x9000 + 40);
  EXPECT_EQ(resolved.position, 167);
  EXPECT_EQ(resolved.inlined, kNone);
  EXPECT_EQ(Resolve(map, 0x9000 + 41).position, 183);
  EXPECT_EQ(Resolve(map, 0x9000 + 20).position, -1) << "before the first pair";
}

TEST(CodeMap, ALineTableGoesWithItsCode) {
  CodeMap map;
  const LinePosition lines[] = {{0, 160}};
  map.SetLines(0x1000, lines, 1);
  map.Add(0x1000, 25, "JS:~f /app/a.js:5:21", CodeKind::kBytecode);
  map.Move(0x1000, 0x2000);
  EXPECT_EQ(Resolve(map, 0x2003).position, 160);
  EXPECT_EQ(Resolve(map, 0x1003).position, 160);
  map.Add(0x1000, 25, "JS:~g /app/a.js:6:21", CodeKind::kBytecode);
  EXPECT_EQ(Resolve(map, 0x1003).position, -1) << "g has none: it must not have the one of f";

  map.SetLines(0x3000, lines, 1);
  map.Move(0x3000, 0x4000);  // between its table and itself
  map.Add(0x4000, 25, "JS:~h /app/a.js:7:21", CodeKind::kBytecode);
  EXPECT_EQ(Resolve(map, 0x4003).position, 160);
}

TEST(CodeMap, ATableThatComesLateIsForTheCodeThatIsThere) {
  CodeMap map;
  const LinePosition lines[] = {{0, 160}};
  map.Add(0x1000, 25, "JS:~f /app/a.js:5:21", CodeKind::kBytecode);
  map.SetLines(0x1000, lines, 1);
  EXPECT_EQ(Resolve(map, 0x1003).position, 160);
  // f is collected; what comes next to its place is not what the table was for.
  map.NoteCollection();
  map.Add(0x1000, 25, "JS:~g /app/a.js:6:21", CodeKind::kBytecode);
  EXPECT_EQ(Resolve(map, 0x1003).position, -1);
}

TEST(CodeMap, CodeWithoutAFileTakesNoRoomForLines) {
  CodeMap map;
  const LinePosition lines[] = {{0, 160}};
  map.SetLines(0x1000, lines, 1);
  map.Add(0x1000, 25, "JS:~anonymous :5:21", CodeKind::kBytecode);
  EXPECT_EQ(map.GetStats().line_bytes, 0u);
  EXPECT_EQ(Resolve(map, 0x1003).position, -1);
}

// A script with functions outer (100..140), helper (10..40) and the code around them, all compiled.
class Inlining : public testing::Test {
 protected:
  Inlining() {
    Bytecode(0x1000, "JS:~outer /app/a.js:9:10", {{0, 100}, {5, 110}, {9, 120}, {12, 140}});
    Bytecode(0x2000, "JS:~helper /app/a.js:2:10", {{0, 10}, {5, 20}, {9, 30}, {12, 40}});
    Bytecode(0x3000, "JS:~ /app/a.js:1:1", {{0, 0}, {5, 10}, {9, 30}, {12, 200}});
  }

  void Bytecode(uint64_t start, const char* name, std::vector<LinePosition> lines) {
    map_.SetLines(start, lines.data(), lines.size());
    map_.Add(start, 0x100, name, CodeKind::kBytecode);
  }
  void Optimized(std::vector<LinePosition> lines) {
    map_.SetLines(0x9000, lines.data(), lines.size());
    map_.Add(0x9000, 0x1000, "JS:*outer /app/a.js:9:10");
  }
  // The inlined function and the position at a return address `offset` bytes into the optimized code.
  std::string At(uint64_t offset) {
    const CodeMap::Resolved resolved = Resolve(map_, 0x9000 + offset);
    return NameOf(map_, resolved.name) + " <- " + NameOf(map_, resolved.inlined) + "@" +
           std::to_string(resolved.position);
  }

  CodeMap map_;
};

TEST_F(Inlining, NamesTheFunctionOfTheSameScriptThatHoldsThePosition) {
  Optimized({{10, 110}, {20, 20}, {30, 30}, {40, 120}});
  EXPECT_EQ(At(15), "JS:*outer /app/a.js:9:10 <- @110");
  EXPECT_EQ(At(25), "JS:*outer /app/a.js:9:10 <- JS:~helper /app/a.js:2:10@20");
  EXPECT_EQ(At(35), "JS:*outer /app/a.js:9:10 <- JS:~helper /app/a.js:2:10@30");
  EXPECT_EQ(At(45), "JS:*outer /app/a.js:9:10 <- @120");
}

TEST_F(Inlining, NamesAFunctionOfAnotherScriptWhenItIsTheOnlyOne) {
  Bytecode(0x4000, "JS:~far /app/b.js:2:10", {{0, 500}, {5, 510}, {9, 520}});
  Optimized({{10, 110}, {20, 510}, {30, 520}});
  EXPECT_EQ(At(25), "JS:*outer /app/a.js:9:10 <- JS:~far /app/b.js:2:10@510");
  Bytecode(0x5000, "JS:~twin /app/c.js:2:10", {{0, 500}, {5, 510}, {9, 520}});
  EXPECT_EQ(At(25), "JS:*outer /app/a.js:9:10 <- @-1");
}

TEST_F(Inlining, OnePositionIsEnoughWhenAllOthersHaveAFunction) {
  Optimized({{0, 97}, {10, 110}, {20, 20}, {30, 120}, {40, 97}});  // 97: the parameters of outer
  EXPECT_EQ(At(25), "JS:*outer /app/a.js:9:10 <- JS:~helper /app/a.js:2:10@20");
}

// Functions that were there before the listener have no table; Node's own are such.
TEST_F(Inlining, APositionOfCodeWithoutATableIsNotTakenForAnotherFunctions) {
  Optimized({{10, 110}, {20, 20}, {30, 23}, {40, 27}});
  EXPECT_EQ(At(25), "JS:*outer /app/a.js:9:10 <- @-1") << "23 and 27 are no positions of helper";
  Optimized({{10, 110}, {20, 20}, {30, 30}, {40, 777}});
  EXPECT_EQ(At(25), "JS:*outer /app/a.js:9:10 <- @-1") << "its stretch of the code is of something else";
  Optimized({{10, 110}, {20, 20}, {30, 120}, {40, 777}});
  EXPECT_EQ(At(25), "JS:*outer /app/a.js:9:10 <- @-1") << "one meeting may be chance, and such code is there";
  Optimized({{10, 110}, {20, 20}, {25, 30}, {30, 120}, {40, 777}});
  EXPECT_EQ(At(25), "JS:*outer /app/a.js:9:10 <- JS:~helper /app/a.js:2:10@20");
  Optimized({{10, 110}, {20, 777}});
  EXPECT_EQ(At(25), "JS:*outer /app/a.js:9:10 <- @-1");
}

TEST_F(Inlining, AReturnAddressWhereTheNextPositionBeginsBelongsToTheOneBefore) {
  Optimized({{10, 110}, {20, 20}, {30, 30}, {40, 120}, {50, 777}});
  EXPECT_EQ(At(40), "JS:*outer /app/a.js:9:10 <- JS:~helper /app/a.js:2:10@30");
}

TEST_F(Inlining, TheCodeAroundFunctionsIsNeverInlined) {
  Optimized({{10, 110}, {20, 200}, {30, 0}});
  EXPECT_EQ(At(25), "JS:*outer /app/a.js:9:10 <- @-1");
}

TEST(CodeMap, ThreadsAddMoveAndResolveAtOnce) {
  auto map = std::make_unique<CodeMap>();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; t++) {
    threads.emplace_back([&map, t] {
      const uint64_t base = static_cast<uint64_t>(t + 1) << 32;
      const std::string name = "JS:~f" + std::to_string(t) + " /app/a.js:1:2";
      const LinePosition lines[] = {{0, 1}, {4, 2}};
      for (uint64_t i = 0; i < 20000; i++) {
        map->SetLines(base + i * 64, lines, 2);
        map->Add(base + i * 64, 32, name, CodeKind::kBytecode);
        if (i % 8 == 0) map->Move(base + i * 64, base + (uint64_t{1} << 30) + i * 64);
        if (i % 1000 == 0) map->NoteCollection();
        if (i % 500 != 1) continue;  // one that did not move
        const CodeMap::Resolved resolved = Resolve(*map, base + i * 64 + 4);
        ASSERT_EQ(NameOf(*map, resolved.name), name);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(map->GetStats().added, 80000u);
  EXPECT_LE(map->GetStats().entries, CodeMap::kDefaultEntries + CodeMap::kLogEntries);
}

TEST(CodeMap, TheCapacityIsSetBeforeTheFirstCode) {
  CodeMap map;
  map.SetCapacity(2);
  for (int i = 0; i < 3; i++) map.Add(0x1000 + static_cast<uint64_t>(i) * 0x100, 0x10, File(i));
  map.SetCapacity(10);
  EXPECT_EQ(NameAt(map, 0x1008), "");
  EXPECT_EQ(NameAt(map, 0x1208), File(2));
  EXPECT_EQ(map.GetStats().capacity, 2u);
}

}  // namespace
}  // namespace tidemark
