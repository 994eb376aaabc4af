#include "stack/eh_frame.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "stack/eh_frame_images.h"

namespace tidemark {
namespace {

using images::Bytes;
using images::Function;

constexpr uint64_t kCodeBytes = 0x10000;

// What a walker would be told, in words: "0 none, 16 sp+16 fp@-16".
std::string Text(const MappedArray<UnwindRow>& rows) {
  std::string text;
  for (const UnwindRow& row : rows) {
    const std::string cfa = std::to_string(row.rule.cfa());
    const char* const names[] = {"none", "sp+", "fp+", "[fp+", "plt", "signal", "end", "unsupported"};
    text += (text.empty() ? "" : ", ") + std::to_string(row.offset) + " " + names[static_cast<int>(row.rule.kind())];
    switch (row.rule.kind()) {
      case RuleKind::kFromSp:
      case RuleKind::kFromFp:
        text += cfa;
        break;
      case RuleKind::kFromFpSlot:
        text += cfa + "]";
        break;
      case RuleKind::kPlt:
        text += std::to_string(row.rule.cfa() / 8);
        break;
      default:
        continue;
    }
    if (row.rule.saves_fp()) text += " fp@" + std::to_string(row.rule.slot());
  }
  return text;
}

// All rows of the descriptions in `image`, in a code of kCodeBytes.
std::string RowsOf(const Bytes& image, size_t max_rows = SIZE_MAX) {
  const images::Guarded memory(image);
  EhFrame frame;
  if (!frame.Open(memory.address(), memory.readable)) return "closed";
  const uint64_t code = memory.address() + images::kCodeAt;
  MappedArray<UnwindRow> rows;
  for (size_t i = 0; i < frame.size(); i++) {
    if (!frame.AppendRows(i, {code, code + kCodeBytes}, max_rows, rows)) return "full";
  }
  return Text(rows);
}

#if !defined(__aarch64__)

const Bytes kPushFp = {0x41, 0x0e, 16, 0x86, 2};                       // push rbp
const Bytes kPushFpAndUse = {0x41, 0x0e, 16, 0x86, 2, 0x43, 0x0d, 6};  // push rbp; mov rbp, rsp

TEST(EhFrame, FollowsTheFramePointerThroughAFunction) {
  Bytes instructions = kPushFpAndUse;
  images::Append(instructions, {0x02, 90, 0x0c, 7, 8});  // leave
  EXPECT_EQ(RowsOf(images::MakeEhFrame({{0x20, 100, instructions}})),
            "32 sp+8, 33 sp+16 fp@-16, 36 fp+16 fp@-16, 126 sp+8 fp@-16, 132 none");
}

TEST(EhFrame, RestoresWhatWasRememberedAndWhatWasThereAtFirst) {
  const Bytes remember = {0x41, 0x0e, 16, 0x86, 2, 0x0a, 0x44, 0x0e, 8, 0xc6, 0x41, 0x0b};
  EXPECT_EQ(RowsOf(images::MakeEhFrame({{0, 20, remember}})),
            "0 sp+8, 1 sp+16 fp@-16, 5 sp+8, 6 sp+16 fp@-16, 20 none");
}

TEST(EhFrame, JoinsNeighboursAndLeavesGaps) {
  EXPECT_EQ(RowsOf(images::MakeEhFrame({{0, 16, {}}, {16, 16, {}}, {48, 16, kPushFp}, {64, 16, kPushFp}})),
            "0 sp+8, 32 none, 48 sp+8, 49 sp+16 fp@-16, 64 sp+8, 65 sp+16 fp@-16, 80 none");
}

TEST(EhFrame, EndsADescriptionWhereTheNextBegins) {
  EXPECT_EQ(RowsOf(images::MakeEhFrame({{0, 100, kPushFp}, {40, 8, {}}})), "0 sp+8, 1 sp+16 fp@-16, 40 sp+8, 48 none");
}

TEST(EhFrame, KnowsARealignedStack) {
  // lea r10, [rsp+8]; and rsp, -32; push [r10-8]; push rbp; mov rbp, rsp; push r10
  const Bytes realigned = {0x45, 0x0c, 10, 0, 0x48, 0x10, 6, 2, 0x76, 0, 0x42, 0x0f, 3, 0x76, 0x78, 0x06};
  EXPECT_EQ(RowsOf(images::MakeEhFrame({{0, 100, realigned}})), "0 sp+8, 5 unsupported, 15 [fp+-8], 100 none");
}

TEST(EhFrame, KnowsThePlt) {
  const Bytes plt = {0x0e, 16, 0x46, 0x0e, 24,   0x4a, 0x0f, 11,   0x77, 8,
                     0x80, 0,  0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22};
  EXPECT_EQ(RowsOf(images::MakeEhFrame({{0, 64, plt}})), "0 sp+16, 6 sp+24, 16 plt11, 64 none");
}

TEST(EhFrame, KnowsSignalFramesAndWhereThreadsBegin) {
  EXPECT_EQ(RowsOf(images::MakeEhFrame({{0, 16, {}}}, images::InitialInstructions(), {'z', 'R', 'S', 0})),
            "0 signal, 16 none");
  EXPECT_EQ(RowsOf(images::MakeEhFrame({{0, 16, {0x07, 16}}})), "0 end, 16 none");
}

TEST(EhFrame, IsSilentAboutOtherRegisters) {
  // rbx and r12 to r15 saved, restored, undefined, computed
  const Bytes others = {0x83, 3, 0x8c, 4, 0x05, 13, 5, 0xc3, 0x07, 14, 0x16, 15, 2, 0x77, 8, 0x09, 3, 12, 0x2e, 16};
  EXPECT_EQ(RowsOf(images::MakeEhFrame({{0, 16, others}})), "0 sp+8, 16 none");
}

TEST(EhFrame, DoesNotGuessWhatItCannotHold) {
  const std::vector<Bytes> unusual = {
      {0x0c, 12, 16},                  // CFA from r12
      {0x0e, 17},                      // not in words
      {0x0e, 0x80, 0x80, 0x80, 4},     // 8 MiB
      {0x90, 2},                       // the return address elsewhere
      {0x09, 16, 3},                   // in a register
      {0x16, 6, 2, 0x77, 8},           // rbp computed
      {0x10, 6, 2, 0x77, 8},           // rbp at [rsp + 8]
      {0x86, 0},                       // at the CFA itself
      {0x0f, 4, 0x77, 8, 0x06, 0x06},  // an expression that is not known
      {0x0f, 3, 0x76, 0x78, 0x06},     // [rbp - 8], but rbp as it was
      {0x3f},                          // an instruction that is not known
      {0x0b},                          // nothing remembered
      {0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a},
      {0x0f, 100, 0x77},  // longer than it can be
  };
  for (const Bytes& instructions : unusual) {
    EXPECT_EQ(RowsOf(images::MakeEhFrame({{0, 16, instructions}})), "0 unsupported, 16 none") << int{instructions[0]};
  }
}

TEST(EhFrame, StopsAtTheLimitOfRows) {
  const std::vector<Function> functions = {{0, 16, kPushFp}, {32, 16, kPushFp}};
  EXPECT_EQ(RowsOf(images::MakeEhFrame(functions), 6), RowsOf(images::MakeEhFrame(functions)));
  EXPECT_EQ(RowsOf(images::MakeEhFrame(functions), 5), "full");
}

#endif

TEST(EhFrame, LeavesOutWhatLiesOutsideTheCodeOrOutOfOrder) {
  const int32_t end = kCodeBytes;
  EXPECT_EQ(RowsOf(images::MakeEhFrame({{-16, 8, {}}, {-4, 8, {}}, {end - 8, 16, {}}, {end, 16, {}}})), "");
  const std::string sorted = RowsOf(images::MakeEhFrame({{0, 16, {}}, {64, 16, {}}}));
  EXPECT_EQ(RowsOf(images::MakeEhFrame({{0, 16, {}}, {64, 16, {}}, {32, 16, {}}})), sorted);
  EXPECT_EQ(RowsOf(images::MakeEhFrame({{0, 0, {}}, {0, 16, {}}, {64, 16, {}}})), sorted);
}

TEST(EhFrame, TakesOnlyListsOfTheUsualForm) {
  const Bytes good = images::MakeEhFrame({{0, 16, {}}});
  for (const size_t at : {0, 3}) {
    Bytes odd = good;
    odd[at] = 2;
    EXPECT_EQ(RowsOf(odd), "closed");
  }
  Bytes too_many = good;
  too_many[10] = 1;  // 65,537 descriptions
  EXPECT_EQ(RowsOf(too_many), "closed");
  EXPECT_EQ(RowsOf({}), "closed");
}

// Nothing but the image is readable: whatever is made of it, no read may leave it.
TEST(EhFrame, SurvivesEveryCutAndManyChanges) {
  const std::vector<Function> functions = {
      {0, 100, {0x41, 0x0e, 16, 0x80 | images::kFp, 2, 0x43, 0x0d, images::kFp, 0x02, 90, 0x0c, images::kSp, 8}},
      {128, 64, {0x0f, 3, 0x70 | images::kFp, 0x78, 0x06, 0x10, images::kFp, 2, 0x70 | images::kFp, 0}},
      {256, 64, {0x0a, 0x44, 0x16, images::kRa, 2, 0x77, 8, 0x0b, 0x04, 1, 0, 0, 0, 0x01, 0, 0, 0, 0}}};
  const Bytes good = images::MakeEhFrame(functions);
  for (size_t size = 0; size < good.size(); size++) RowsOf(Bytes(good.begin(), good.begin() + static_cast<long>(size)));
  std::mt19937_64 random(1);
  for (int i = 0; i < 20'000; i++) {
    Bytes changed = good;
    for (int changes = 0; changes < 1 + i % 4; changes++) {
      changed[random() % changed.size()] = static_cast<uint8_t>(random());
    }
    RowsOf(changed);
  }
}

TEST(EhFrame, IsNotMadeSlowByAListThatRepeatsALongDescription) {
  Bytes instructions;
  for (int i = 0; i < 30'000; i++) images::Append(instructions, {0x0a, 0x0b});  // remember, restore
  std::vector<Function> functions(20'000, Function{0, 16, {}});
  functions[0].instructions = instructions;
  Bytes image = images::MakeEhFrame(functions);
  for (size_t i = 1; i < functions.size(); i++) std::memcpy(&image[12 + 8 * i], &image[12], 8);
  EXPECT_NE(RowsOf(image), "closed");  // 1.2 billion instructions otherwise
}

}  // namespace
}  // namespace tidemark
