#include "elf/build_id.h"

#include <gtest/gtest.h>

#include <string>

#include "elf/test_images.h"

namespace tidemark {
namespace {

std::string Find(const std::string& notes, uint64_t alignment = 4) {
  // Of its own length exactly, so that a sanitizer sees what is read beyond it.
  const std::vector<char> exact(notes.begin(), notes.end());
  uint8_t id[kBuildIdBytes];
  const size_t size = FindBuildId(exact.data(), exact.size(), alignment, id);
  return {reinterpret_cast<char*>(id), size};
}

std::string OtherNote(size_t description) {
  std::string note;
  images::Add(note, Elf64_Nhdr{4, static_cast<uint32_t>(description), NT_GNU_ABI_TAG});
  note.append("GNU\0", 4);
  note.append(description, 'x');
  return note;
}

TEST(FindBuildId, FindsItBehindOtherNotes) {
  EXPECT_EQ(Find(images::Notes("twenty bytes of hash")), "twenty bytes of hash");
  EXPECT_EQ(Find(OtherNote(16) + images::Notes("id")), "id");
  EXPECT_EQ(Find(OtherNote(13) + "pad" + images::Notes("id")), "id");
  EXPECT_EQ(Find(OtherNote(16)), "");
  EXPECT_EQ(Find(""), "");
}

TEST(FindBuildId, KeepsTheAlignmentOfTheSegment) {
  // 12 + 4 bytes of header and name, 12 of description: the next note begins at 28 or, aligned to 8, at 32.
  EXPECT_EQ(Find(OtherNote(12) + images::Notes("id"), 4), "id");
  EXPECT_EQ(Find(OtherNote(12) + "_pad" + images::Notes("id"), 8), "id");
  EXPECT_EQ(Find(OtherNote(12) + images::Notes("id"), 8), "");
}

TEST(FindBuildId, KeepsTheFirst32BytesOfALongerOne) {
  EXPECT_EQ(Find(images::Notes(std::string(40, 'a'))), std::string(32, 'a'));
}

TEST(FindBuildId, IsNoneInNotesThatAreCutOrLie) {
  const std::string notes = images::Notes("twenty bytes of hash");
  for (size_t size = 0; size < notes.size(); size++) EXPECT_EQ(Find(notes.substr(0, size)), "") << size;
  for (const uint32_t huge : {0xffffffffu, 0xfffffffcu, 0x80000000u, 0x7fffffffu}) {
    std::string liar;
    images::Add(liar, Elf64_Nhdr{huge, 4, NT_GNU_BUILD_ID});
    images::Add(liar, Elf64_Nhdr{4, huge, NT_GNU_BUILD_ID});
    EXPECT_EQ(Find(liar + "GNU"), "");
    EXPECT_EQ(Find(liar.substr(sizeof(Elf64_Nhdr)) + std::string("GNU\0", 4)), "");
  }
}

TEST(FindBuildId, TakesNoOtherVendorsNoteOfTheSameNumber) {
  std::string notes = images::Notes("ours");
  notes[sizeof(Elf64_Nhdr)] = 'X';
  EXPECT_EQ(Find(notes), "");
  std::string longer;
  images::Add(longer, Elf64_Nhdr{5, 4, NT_GNU_BUILD_ID});
  EXPECT_EQ(Find(longer + std::string("GNU\0X\0\0\0", 8) + "ours"), "");
}

}  // namespace
}  // namespace tidemark
