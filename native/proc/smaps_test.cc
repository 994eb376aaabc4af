#include "proc/smaps.h"

#include <dirent.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "proc/smaps_reference.h"

namespace tidemark {
namespace {

const char* const kFixtures[] = {"node20.txt", "node22.txt", "node24.txt", "node26.txt", "python3.txt", "oddities.txt"};

std::string Fixture(const std::string& name) {
  std::ifstream file(std::string(TIDEMARK_FIXTURES) + "/smaps/" + name);
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_FALSE(text.str().empty()) << name;
  return text.str();
}

// The first `records` records of a text.
std::string Front(const std::string& text, int records) {
  size_t at = 0;
  while (records > 0 && at < text.size()) {
    at = text.find('\n', at) + 1;
    const bool next_begins = at < text.size() && !(text[at] >= 'A' && text[at] <= 'Z');
    if (next_begins) records--;
  }
  return text.substr(0, at);
}

std::string WholeDifference(std::string_view text) {
  SmapsTable table;
  SmapsParser parser(table);
  const ssize_t used = parser.Parse(text, true);
  return reference::Difference(table, used < 0 ? parser.line() : 0, reference::ParseSmapsText(text));
}

std::string Line(const std::string& key, uint64_t kilobytes) {
  char line[64];
  snprintf(line, sizeof line, "%-15s %8lu kB\n", (key + ":").c_str(), kilobytes);
  return line;
}

constexpr char kHeader[] = "7f0c3a000000-7f0c3a021000 rw-p 00000000 00:00 0 \n";

class SmapsParserOn : public testing::TestWithParam<const char*> {};

TEST_P(SmapsParserOn, AgreesWithTheReferenceParser) { EXPECT_EQ(WholeDifference(Fixture(GetParam())), ""); }

TEST_P(SmapsParserOn, GivesTheSameTableFromPiecesOfEverySize) {
  const std::string text = Front(Fixture(GetParam()), 12);
  const reference::Parsed expected = reference::ParseSmapsText(text);
  for (size_t chunk = 1; chunk <= 200; chunk++) {
    SmapsTable table;
    const size_t bad_line = reference::ParseSmapsChunked(text, chunk, table);
    ASSERT_EQ(reference::Difference(table, bad_line, expected), "") << "in pieces of " << chunk;
  }
}

INSTANTIATE_TEST_SUITE_P(Fixtures, SmapsParserOn, testing::ValuesIn(kFixtures));

TEST(SmapsParser, AgreesWithTheReferenceParserOnEveryProcessOfThisMachine) {
  DIR* proc = opendir("/proc");
  ASSERT_NE(proc, nullptr);
  int compared = 0;
  while (const dirent* entry = readdir(proc)) {
    std::ifstream file(std::string("/proc/") + entry->d_name + "/smaps");
    std::stringstream text;
    text << file.rdbuf();
    if (text.str().empty()) continue;  // no process, not ours to read, or gone
    EXPECT_EQ(WholeDifference(text.str()), "") << "process " << entry->d_name;
    compared++;
  }
  closedir(proc);
  EXPECT_GT(compared, 0);
}

// A text that is cut in a field line loses the record that line belongs to, and no other; one that is cut between lines
// cannot be told from a shorter record of an older kernel.
TEST(SmapsParser, KeepsTheRecordsBeforeACutAtEveryByte) {
  const std::string text = Front(Fixture("python3.txt"), 4) + Front(Fixture("oddities.txt"), 3);
  for (size_t cut = 0; cut <= text.size(); cut++) {
    const std::string_view part = std::string_view(text).substr(0, cut);
    SmapsTable table;
    SmapsParser parser(table);
    const ssize_t used = parser.Parse(part, true);
    const bool at_end_of_line = cut == 0 || text[cut - 1] == '\n';
    ASSERT_EQ(used >= 0, at_end_of_line) << "cut at " << cut;
    ASSERT_EQ(reference::Difference(table, used < 0 ? parser.line() : 0, reference::ParseSmapsText(part)), "")
        << "cut at " << cut;
  }
}

TEST(SmapsParser, KeepsTheRecordBeforeATornHeader) {
  SmapsTable table;
  SmapsParser parser(table);
  EXPECT_LT(parser.Parse(kHeader + Line("Rss", 8) + "7f0c3a0210", true), 0);
  EXPECT_EQ(parser.line(), 3u);
  EXPECT_EQ(table.rows.size(), 1u);
}

TEST(SmapsParser, ReadsValuesThatOverflowTheirColumn) {
  const std::string normal = kHeader + Line("Rss", 99'999'999) + Line("Pss", 1) + "VmFlags: rd wr \n";
  const std::string wide = kHeader + Line("Rss", 100'000'000) + Line("Pss", 12'345'678'901) + "VmFlags: rd wr \n";
  for (const std::string& text : {normal + wide + normal, wide + normal + wide}) {
    EXPECT_EQ(WholeDifference(text), "");
    SmapsTable table;
    SmapsParser parser(table);
    ASSERT_GT(parser.Parse(text, true), 0);
    ASSERT_EQ(table.rows.size(), 3u);
    const size_t row = text.compare(0, wide.size(), wide) == 0 ? 0 : 1;
    EXPECT_EQ(table.rows[row].cell[kRss], 100'000'000.0 * 1024);
    EXPECT_EQ(table.rows[row].cell[kPss], 12'345'678'901.0 * 1024);
    EXPECT_EQ(table.rows[row + 1].cell[kRss], 99'999'999.0 * 1024);
  }
}

TEST(SmapsParser, PassesOverFieldsOfKernelsNotYetWritten) {
  const std::string plain = kHeader + Line("Rss", 8) + Line("Anonymous", 4) + "VmFlags: rd \n";
  const std::string middle =
      kHeader + Line("Rss", 8) + Line("Folio_Orders", 3) + Line("Anonymous", 4) + "VmFlags: rd \n";
  const std::string behind = kHeader + Line("Rss", 8) + Line("Anonymous", 4) + "VmFlags: rd \n" + Line("Later", 5);
  const std::string strange =
      kHeader + Line("Rss", 8) + "Future_Ratio: 12.5 %\n" + Line("Anonymous", 4) + "VmFlags: rd \n";
  const std::string longer = kHeader + Line("Rss", 8) + Line("A_Key_Of_Many_Letters", 2) + Line("Anonymous", 4);
  for (const std::string& odd : {middle, behind, strange, longer}) {
    for (const std::string& text : {plain + odd + plain, odd + plain + odd, odd + odd + odd}) {
      EXPECT_EQ(WholeDifference(text), "");
      SmapsTable table;
      SmapsParser parser(table);
      ASSERT_EQ(parser.Parse(text, true), static_cast<ssize_t>(text.size()));
      ASSERT_EQ(table.rows.size(), 3u);
      for (const SmapsRow& row : table.rows) {
        EXPECT_EQ(row.cell[kRss], 8 * 1024);
        EXPECT_EQ(row.cell[kAnon], 4 * 1024);
      }
    }
  }
}

// Documentation/filesystems/proc.rst of the releases named.
TEST(SmapsParser, ReadsTheFieldsOfOlderKernels) {
  const std::vector<std::string> linux_4_4 = {"Size",
                                              "Rss",
                                              "Pss",
                                              "Shared_Clean",
                                              "Shared_Dirty",
                                              "Private_Clean",
                                              "Private_Dirty",
                                              "Referenced",
                                              "Anonymous",
                                              "AnonHugePages",
                                              "Shared_Hugetlb",
                                              "Private_Hugetlb",
                                              "Swap",
                                              "SwapPss",
                                              "KernelPageSize",
                                              "MMUPageSize",
                                              "Locked"};
  const std::vector<std::string> linux_5_10 = {
      "Size",          "KernelPageSize", "MMUPageSize",     "Rss",       "Pss",      "Shared_Clean",  "Shared_Dirty",
      "Private_Clean", "Private_Dirty",  "Referenced",      "Anonymous", "LazyFree", "AnonHugePages", "ShmemPmdMapped",
      "FilePmdMapped", "Shared_Hugetlb", "Private_Hugetlb", "Swap",      "SwapPss",  "Locked"};
  for (const auto& keys : {linux_4_4, linux_5_10}) {
    std::string text;
    for (int record = 0; record < 3; record++) {
      text += kHeader;
      for (size_t i = 0; i < keys.size(); i++) text += Line(keys[i], i + 1);
      if (&keys[0] != &linux_4_4[0] && keys.size() == linux_5_10.size()) text += "THPeligible:    1\n";
      text += "VmFlags: rd wr mr mw me ac \n";
    }
    EXPECT_EQ(WholeDifference(text), "");
    SmapsTable table;
    SmapsParser parser(table);
    ASSERT_GT(parser.Parse(text, true), 0);
    ASSERT_EQ(table.rows.size(), 3u);
    EXPECT_EQ(table.rows[2].cell[kRss], keys[1] == "Rss" ? 2 * 1024 : 4 * 1024);
    EXPECT_EQ(table.rows[2].cell[kPssDirty], 0);
    EXPECT_EQ(table.flags.At(static_cast<size_t>(table.rows[2].cell[kFlags])), "rd wr mr mw me ac");
  }
}

TEST(SmapsParser, GivesARecordWithoutFlagsNoneAndNotThoseOfTheFirst) {
  const std::string text = kHeader + Line("Rss", 8) + "VmFlags: rd wr dc \n" + kHeader + Line("Rss", 8);
  SmapsTable table;
  SmapsParser parser(table);
  ASSERT_GT(parser.Parse(text, true), 0);
  ASSERT_EQ(table.rows.size(), 2u);
  EXPECT_EQ(table.flags.At(static_cast<size_t>(table.rows[0].cell[kFlags])), "rd wr dc");
  EXPECT_EQ(table.flags.At(static_cast<size_t>(table.rows[1].cell[kFlags])), "");
}

TEST(SmapsParser, SaysWhichLineIsNotAsDocumented) {
  const struct {
    std::string text;
    size_t line;
  } cases[] = {
      {"Rss: 8 kB\n", 1},
      {"\n", 1},
      {kHeader + Line("Rss", 8) + "\n", 3},
      {kHeader + Line("Rss", 8) + "Pss:    eight kB\n", 3},
      {kHeader + Line("Rss", 8) + "Pss:      8 MB\n", 3},
      {kHeader + Line("Rss", 8) + "Pss\n", 3},
      {kHeader + Line("Rss", 8) + kHeader + Line("Rss", 9) + "7f0c3a021000 rw-p\n", 5},
  };
  for (const auto& [text, line] : cases) {
    SmapsTable table;
    SmapsParser parser(table);
    EXPECT_EQ(parser.Parse(text, true), -kBadFormat) << text;
    EXPECT_EQ(parser.line(), line) << text;
    EXPECT_EQ(WholeDifference(text), "");
  }
}

// Position and key must never differ: each of these fits the columns of the first record but for what it says.
TEST(SmapsParser, ReadsNothingByPositionThatItWouldNotReadByKey) {
  const std::string first = kHeader + Line("Rss", 8) + "THPeligible:           0\n";
  for (const char* odd :
       {"Rss:                   8 MB\n", "Rss:                 1 8 kB\n", "Rss:                8  kB\n",
        "Rss:                 0x8 kB\n", "Rss:                     kB\n", "Rss:            \t      8 kB\n",
        "Rss:            00000008 kB\n", "Rss:                  -8 kB\n", "Rss:            (      8 kB\n",
        "Rss: 1234567890123456789\n", "Rss: 1234567890123456789 kB\n", "Rss:1234567890   12345678 kB\n"}) {
    for (const char* second :
         {"THPeligible:           1\n", "THPeligible:           1 \n", "THPeligible: 123456789012\n"}) {
      EXPECT_EQ(WholeDifference(first + kHeader + odd + second), "") << odd;
      EXPECT_EQ(WholeDifference(std::string(kHeader) + odd + second + first), "") << odd;
      EXPECT_EQ(WholeDifference(std::string(kHeader) + odd + second + kHeader + odd + second), "") << odd;
    }
  }
}

TEST(SmapsParser, ReadsEveryEightColumnNumber) {
  std::mt19937_64 random(1);
  std::string text = kHeader + Line("Rss", 0);
  for (int digits = 1; digits <= 8; digits++) {
    uint64_t limit = 1;
    for (int i = 0; i < digits; i++) limit *= 10;
    for (int i = 0; i < 200; i++) text += kHeader + Line("Rss", random() % limit);
    text += kHeader + Line("Rss", limit - 1) + kHeader + Line("Rss", limit / 10);
  }
  EXPECT_EQ(WholeDifference(text), "");
}

// One change in a text that is otherwise as the kernel writes it; fixed seed, so that a failure can be seen again.
std::string Mutate(std::string text, std::mt19937& random) {
  const auto below = [&](size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random); };
  const auto line_at = [&](size_t& begin, size_t& length) {
    begin = text.rfind('\n', below(text.size()));
    begin = begin == std::string::npos ? 0 : begin + 1;
    length = std::min(text.find('\n', begin), text.size() - 1) + 1 - begin;
  };
  size_t begin = 0;
  size_t length = 0;
  for (size_t changes = 1 + below(3); changes > 0 && text.size() > 2; changes--) {
    line_at(begin, length);
    switch (below(8)) {
      case 0:
        text[below(text.size())] = static_cast<char>(below(256));
        break;
      case 1:
        text[below(text.size())] = "0123456789 :kB\n-"[below(16)];
        break;
      case 2:
        text.erase(begin, length);
        break;
      case 3:
        text.insert(begin, text.substr(begin, length));
        break;
      case 4:
        text.insert(begin, Line("Unknown" + std::to_string(below(3)), below(1000)));
        break;
      case 5: {
        const size_t colon = text.find(':', begin);
        if (colon < begin + length)
          text.replace(begin, length, Line(text.substr(begin, colon - begin), 100'000'000 + below(1000)));
        break;
      }
      case 6:
        text.resize(1 + below(text.size()));
        break;
      case 7:
        text.erase(below(text.size()), 1);
        break;
    }
  }
  return text;
}

TEST(SmapsParser, AgreesWithTheReferenceParserOnMutatedRecords) {
  std::mt19937 random(7);
  const std::string texts[] = {Front(Fixture("node24.txt"), 6), Front(Fixture("python3.txt"), 6),
                               Front(Fixture("oddities.txt"), 14)};
  for (int i = 0; i < 2000; i++) {
    const std::string text = Mutate(texts[i % 3], random);
    ASSERT_EQ(WholeDifference(text), "") << "mutation " << i << ":\n" << text;
    SmapsTable chunked;
    const size_t bad_line = reference::ParseSmapsChunked(text, 1 + static_cast<size_t>(i) % 300, chunked);
    ASSERT_EQ(reference::Difference(chunked, bad_line, reference::ParseSmapsText(text)), "") << "mutation " << i;
  }
}

TEST(SmapsParser, ReadsTwentyThousandMappings) {
  const std::string record = Front(Fixture("node24.txt"), 1);
  const std::string fields = record.substr(record.find('\n'));
  std::string text;
  char header[128];
  for (uint64_t i = 0; i < 20'000; i++) {
    snprintf(header, sizeof header, "%lx-%lx rw-p %08lx fe:00 %lu /data/file-%lu", (i + 1) << 16,
             ((i + 1) << 16) + 4096, i << 12, i, i % 300);
    text += header + fields;
  }
  SmapsTable table;
  EXPECT_EQ(reference::ParseSmapsChunked(text, 4096, table), 0u);
  ASSERT_EQ(table.rows.size(), 20'000u);
  EXPECT_EQ(table.names.size(), 300u);
  EXPECT_EQ(table.flags.size(), 1u);
  EXPECT_EQ(table.rows[19'999].cell[kStart], 20'000.0 * 65536);
  EXPECT_EQ(table.names.At(static_cast<size_t>(table.rows[19'999].cell[kName])), "/data/file-199");
  EXPECT_EQ(reference::Difference(table, 12'345, reference::ParseSmapsText(text).records[12'345]), "");
}

TEST(ReadSmaps, DescribesAMappingOfThisProcess) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  char* memory = static_cast<char*>(mmap(nullptr, 8 * page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(memory, MAP_FAILED);
  ASSERT_EQ(mprotect(memory + page, 4 * page, PROT_READ | PROT_WRITE), 0);
  memory[page] = 1;
  memory[3 * page] = 1;
  SmapsTable table;
  ASSERT_FALSE(ReadSmaps(0, table));
  int found = 0;
  for (const SmapsRow& row : table.rows) {
    if (row.cell[kStart] != static_cast<double>(reinterpret_cast<uint64_t>(memory) + page)) continue;
    EXPECT_EQ(row.cell[kRss], 2.0 * static_cast<double>(page));
    EXPECT_EQ(row.cell[kAnon], 2.0 * static_cast<double>(page));
    EXPECT_EQ(row.cell[kKernelPageSize], static_cast<double>(page));
    found++;
  }
  munmap(memory, 8 * page);
  EXPECT_EQ(found, 1);
}

TEST(ReadSmaps, OfAProcessThatIsNotThereFails) {
  SmapsTable table;
  EXPECT_EQ(ReadSmaps(0x7fffffff, table).error, ENOENT);
}

}  // namespace
}  // namespace tidemark
