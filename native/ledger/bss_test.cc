#include "ledger/bss.h"

#include <elf.h>
#include <gtest/gtest.h>

#include <cstring>

namespace tidemark {
namespace {

constexpr uint64_t kPage = 4096;

// Two load segments: code, and data of 0x1234 bytes in the file and 0x9000 in memory.
struct Object {
  Elf64_Ehdr header = {};
  Elf64_Phdr segments[3] = {};

  explicit Object(uint64_t base) {
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_phoff = sizeof header;
    header.e_phentsize = sizeof(Elf64_Phdr);
    header.e_phnum = 3;
    segments[0].p_type = PT_NOTE;
    segments[1].p_type = PT_LOAD;
    segments[1].p_vaddr = base;
    segments[1].p_filesz = segments[1].p_memsz = 0x4100;
    segments[2].p_type = PT_LOAD;
    segments[2].p_vaddr = base + 0x5d00;
    segments[2].p_filesz = 0x1234;
    segments[2].p_memsz = 0x9000;
  }
};

TEST(EndOfBss, OfALibraryAndOfAnExecutableAtAFixedAddress) {
  const Object library(0);
  EXPECT_EQ(EndOfBss(&library, sizeof library, 0x7f0000000000, 0x7f0000007000, kPage), 0x7f000000f000u);
  const Object executable(0x400000);
  EXPECT_EQ(EndOfBss(&executable, sizeof executable, 0x400000, 0x407000, kPage), 0x40f000u);
}

TEST(EndOfBss, IsNotKnownWithoutASegmentThatEndsThereOrWithoutAnObject) {
  const Object object(0);
  EXPECT_EQ(EndOfBss(&object, sizeof object, 0x10000, 0x15000, kPage), 0u);
  EXPECT_EQ(EndOfBss(&object, sizeof(Elf64_Ehdr), 0x10000, 0x17000, kPage), 0u);
  EXPECT_EQ(EndOfBss(&object, 10, 0x10000, 0x17000, kPage), 0u);
  Object hostile(0);
  hostile.header.e_phoff = ~uint64_t{0} - 8;
  EXPECT_EQ(EndOfBss(&hostile, sizeof hostile, 0x10000, 0x17000, kPage), 0u);
  hostile.header.e_phoff = sizeof hostile.header;
  hostile.header.e_phnum = 0xffff;
  EXPECT_EQ(EndOfBss(&hostile, sizeof hostile, 0x10000, 0x17000, kPage), 0u);
}

}  // namespace
}  // namespace tidemark
