#include "proc/maps.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>

#include "proc/smaps_reference.h"

namespace tidemark {
namespace {

std::string Fixture(const std::string& name) {
  std::ifstream file(std::string(TIDEMARK_FIXTURES) + "/maps/" + name);
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_FALSE(text.str().empty()) << name;
  return text.str();
}

MapsLine Parse(std::string_view line) {
  MapsLine out = {};
  EXPECT_TRUE(ParseMapsLine(line, out)) << line;
  return out;
}

TEST(ParseMapsLine, ReadsEveryField) {
  const MapsLine line =
      Parse("7f0c3a000000-7f0c3a021000 rw-p 0001f000 fe:03 173521                     /lib/libc.so.6");
  EXPECT_EQ(line.start, 0x7f0c3a000000u);
  EXPECT_EQ(line.end, 0x7f0c3a021000u);
  EXPECT_EQ(line.offset, 0x1f000u);
  EXPECT_EQ(line.inode, 173521u);
  EXPECT_EQ(line.perms, kRead | kWrite);
  EXPECT_EQ(line.device, 0xfeu << 20 | 3u);
  EXPECT_EQ(line.name, "/lib/libc.so.6");
}

TEST(ParseMapsLine, ReadsPermissions) {
  EXPECT_EQ(Parse("1000-2000 ---p 0 0:0 0").perms, 0u);
  EXPECT_EQ(Parse("1000-2000 rwxs 0 0:0 0").perms, kRead | kWrite | kExecute | kShared);
  EXPECT_EQ(Parse("1000-2000 r-xp 0 0:0 0").perms, kRead | kExecute);
}

TEST(ParseMapsLine, KeepsTheNameAsPrinted) {
  const std::string front = "1000-2000 r--p 00000000 08:02 173521                     ";
  for (const char* name : {"/srv/a file  with spaces ", "/usr/bin/node (deleted)", "/tmp/two\\012lines", "[heap]",
                           "[anon:v8 heap: old (1)]", "anon_inode:[io_uring]", "/memfd:x (deleted)"}) {
    EXPECT_EQ(Parse(front + name).name, name);
  }
}

TEST(ParseMapsLine, FindsNoNameInAnonymousMemory) {
  EXPECT_EQ(Parse("1000-2000 rw-p 00000000 00:00 0").name, "");
  EXPECT_EQ(Parse("1000-2000 rw-p 00000000 00:00 0 ").name, "");
}

TEST(ParseMapsLine, ReadsTheTopOfTheAddressSpace) {
  const MapsLine line = Parse("ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]");
  EXPECT_EQ(line.start, 0xffffffffff600000u);
  EXPECT_EQ(line.end, 0xffffffffff601000u);
  EXPECT_EQ(Parse("fffffffffffff000-ffffffffffffffff r--p fffffffffffff000 fff:fffff 18446744073709551615").inode,
            18446744073709551615u);
}

TEST(ParseMapsLine, RefusesWhatTheKernelDoesNotWrite) {
  const char* lines[] = {"",
                         "1000",
                         "1000-",
                         "1000-2000",
                         "1000-2000 rw-p",
                         "1000-2000 rw-p 0 0:0",
                         "1000-2000 rw-p 0 00 0",
                         "1000-2000 rw-q 0 0:0 0",
                         "1000-2000 wr-p 0 0:0 0",
                         "1000-2000 rw-p 0 0:0 0x",
                         "1000-2000 rw-p 0 0:0 -1",
                         "1000-2000  rw-p 0 0:0 0",
                         " 1000-2000 rw-p 0 0:0 0",
                         "2000-2000 rw-p 0 0:0 0",
                         "3000-2000 rw-p 0 0:0 0",
                         "1000-12345678901234567 rw-p 0 0:0 0",
                         "0x1000-0x2000 rw-p 0 0:0 0",
                         "1000-2000 RW-p 0 0:0 0",
                         "Rss:                 120 kB"};
  for (const char* line : lines) {
    MapsLine out;
    EXPECT_FALSE(ParseMapsLine(line, out)) << "'" << line << "'";
  }
}

class ParseMapsOn : public testing::TestWithParam<const char*> {};

TEST_P(ParseMapsOn, AgreesWithTheReferenceParser) {
  const std::string text = Fixture(GetParam());
  MapsTable table;
  size_t line = 1;
  int error = 0;
  EXPECT_EQ(ParseMaps(text, true, table, line, error), text.size());
  EXPECT_EQ(error, 0);
  EXPECT_EQ(reference::Difference(table, size_t{0}, reference::ParseMapsText(text)), "");
}

TEST_P(ParseMapsOn, GivesTheSameTableFromPiecesOfEverySize) {
  const std::string text = Fixture(GetParam());
  const reference::Parsed expected = reference::ParseMapsText(text);
  for (size_t chunk = 1; chunk <= 200; chunk++) {
    MapsTable table;
    const size_t bad_line = reference::ParseMapsChunked(text, chunk, table);
    ASSERT_EQ(reference::Difference(table, bad_line, expected), "") << "in pieces of " << chunk;
  }
}

INSTANTIATE_TEST_SUITE_P(Fixtures, ParseMapsOn, testing::Values("node24.txt", "python3.txt", "oddities.txt"));

TEST(ParseMaps, KeepsTheLinesBeforeATornOneAndSaysWhichItIs) {
  const std::string text = Fixture("oddities.txt");
  for (size_t cut = 0; cut <= text.size(); cut++) {
    const std::string_view part = std::string_view(text).substr(0, cut);
    const reference::Parsed expected = reference::ParseMapsText(part);
    MapsTable table;
    size_t line = 1;
    int error = 0;
    ParseMaps(part, true, table, line, error);
    const bool at_end_of_line = cut == 0 || text[cut - 1] == '\n';
    ASSERT_EQ(error == 0, at_end_of_line) << "cut at " << cut;
    ASSERT_EQ(reference::Difference(table, error != 0 ? line : 0, expected), "") << "cut at " << cut;
  }
}

std::string WithoutSuperseded(std::string_view text) {
  MapsTable table;
  size_t line = 1;
  int error = 0;
  ParseMaps(text, true, table, line, error);
  DropSuperseded(table.rows);
  std::string left;
  char buffer[64];
  for (const MapsRow& row : table.rows) {
    snprintf(buffer, sizeof buffer, "%lx-%lx %s ", row.start, row.end, (row.perms & kWrite) != 0 ? "rw" : "r");
    left += buffer;
  }
  return left;
}

// The first is what Linux 6.18 was seen to write of a heap of glibc's that grew.
TEST(DropSuperseded, LeavesOneRowForEachAddressAndTheLaterOne) {
  EXPECT_EQ(WithoutSuperseded("7fcabc000000-7fcabc2ad000 rw-p 00000000 00:00 0 \n"
                              "7fcabc000000-7fcabc2ae000 rw-p 00000000 00:00 0 \n"
                              "7fcabc2ae000-7fcac0000000 ---p 00000000 00:00 0 \n"),
            "7fcabc000000-7fcabc2ae000 rw 7fcabc2ae000-7fcac0000000 r ");
  EXPECT_EQ(WithoutSuperseded("1000-2000 r--p 00000000 00:00 0\n"
                              "2000-3000 rw-p 00000000 00:00 0\n"
                              "3000-4000 r--p 00000000 00:00 0\n"
                              "2000-6000 rw-p 00000000 00:00 0\n"),
            "1000-2000 r 2000-6000 rw ");
  EXPECT_EQ(WithoutSuperseded("1000-4000 r--p 00000000 00:00 0\n"
                              "3000-6000 rw-p 00000000 00:00 0\n"),
            "1000-3000 r 3000-6000 rw ");
}

TEST(ReadMaps, FindsAMappingOfThisProcess) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  void* memory = mmap(nullptr, 3 * page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  ASSERT_EQ(mprotect(static_cast<char*>(memory) + page, page, PROT_READ | PROT_WRITE), 0);
  MapsTable table;
  ASSERT_FALSE(ReadMaps(getpid(), table));
  int found = 0;
  for (const MapsRow& row : table.rows) {
    if (row.start != reinterpret_cast<uint64_t>(memory) + page) continue;
    EXPECT_EQ(row.end, row.start + page);
    EXPECT_EQ(row.perms, kRead | kWrite);
    EXPECT_EQ(table.names.At(row.name), "");
    found++;
  }
  munmap(memory, 3 * page);
  EXPECT_EQ(found, 1);
}

TEST(ReadMaps, OfAProcessThatIsNotThereFails) {
  MapsTable table;
  const Failure failure = ReadMaps(0x7fffffff, table);
  EXPECT_EQ(failure.error, ENOENT);
  EXPECT_STREQ(failure.what, "/proc/2147483647/maps");
}

}  // namespace
}  // namespace tidemark
