#include "elf/symbol_table.h"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "elf/test_images.h"

namespace tidemark {
namespace {

using images::File;
using images::kData;
using images::kSecondText;
using images::kText;
using images::Symbol;

// "name+offset", or "" where no function is.
std::string At(SymbolTable& table, uint64_t address) {
  std::string_view name;
  uint64_t start;
  if (!table.Find(address, name, start)) return "";
  return std::string(name) + "+" + std::to_string(address - start);
}

// A table of a file with these symbols.
class Table {
 public:
  explicit Table(const File& file) : bytes_(images::Bytes(file)) {
    EXPECT_EQ(table_.OpenImage(bytes_.data(), bytes_.size()), 0);
  }
  explicit Table(const std::vector<Symbol>& symbols) : Table(File{.symbols = symbols}) {}
  std::string At(uint64_t address) { return tidemark::At(table_, address); }
  size_t size() const { return table_.size(); }

 private:
  std::string bytes_;
  SymbolTable table_;
};

class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& bytes) : fd_(mkstemp(path_)) {
    EXPECT_EQ(write(fd_, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  }
  ~TemporaryFile() {
    close(fd_);
    unlink(path_);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const char* path() const { return path_; }
  void Cut(off_t size) { EXPECT_EQ(ftruncate(fd_, size), 0); }

 private:
  char path_[32] = "/tmp/symbol_table_test.XXXXXX";
  int fd_;
};

int Open(SymbolTable& table, const char* path) { return table.Open(path, nullptr, 0); }

int OpenBytes(const std::string& bytes) {
  // Of its own length exactly, so that a sanitizer sees what is read beyond it.
  const std::vector<char> exact(bytes.begin(), bytes.end());
  SymbolTable table;
  return table.OpenImage(exact.data(), exact.size());
}

const uint8_t* Id(const std::string& id) { return reinterpret_cast<const uint8_t*>(id.data()); }

TEST(SymbolTable, FindsAFunctionFromItsFirstToItsLastByte) {
  Table table({{"second", 0x1200, 0x10}, {"first", 0x1100, 0x40}});
  EXPECT_EQ(table.At(0x10ff), "");
  EXPECT_EQ(table.At(0x1100), "first+0");
  EXPECT_EQ(table.At(0x113f), "first+63");
  EXPECT_EQ(table.At(0x1140), "");
  EXPECT_EQ(table.At(0x1200), "second+0");
  EXPECT_EQ(table.At(0x120f), "second+15");
  EXPECT_EQ(table.At(0x1210), "");
  EXPECT_EQ(table.At(0), "");
  EXPECT_EQ(table.At(UINT64_MAX), "");
  EXPECT_EQ(table.At(0x1100 + (uint64_t{1} << 32)), "");
  EXPECT_EQ(table.At(0x1100 - (uint64_t{1} << 32)), "");
}

TEST(SymbolTable, LetsAFunctionWithoutSizeReachToTheNextButNotBeyondItsSection) {
  Table table({{"assembly", 0x1100}, {"next", 0x1180, 8}, {"last_of_section", 0x2f00}, {"other", 0x3100, 8}});
  EXPECT_EQ(table.At(0x117f), "assembly+127");
  EXPECT_EQ(table.At(0x1180), "next+0");
  EXPECT_EQ(table.At(0x2fff), "last_of_section+255");
  EXPECT_EQ(table.At(0x3000), "");
}

TEST(SymbolTable, CutsAFunctionThatClaimsMoreThanItsSection) {
  Table table({{"liar", 0x2f00, UINT64_MAX}, {"other", 0x3100, 8, STT_FUNC, STB_GLOBAL, kSecondText}});
  EXPECT_EQ(table.At(0x2fff), "liar+255");
  EXPECT_EQ(table.At(0x3000), "");
  EXPECT_EQ(table.At(0x3100), "other+0");
}

TEST(SymbolTable, DoesNotEndAFunctionAtALabelWithinIt) {
  Table table({{"function", 0x1100, 0x80}, {"label", 0x1140, 0, STT_NOTYPE}, {"alias", 0x1100, 0, STT_NOTYPE}});
  EXPECT_EQ(table.At(0x1140), "function+64") << "the label is no function";
  EXPECT_EQ(table.At(0x117f), "function+127") << "nor is one where it begins";
  EXPECT_EQ(table.At(0x1180), "");
}

TEST(SymbolTable, FindsTheInnermostOfFunctionsWithinEachOther) {
  Table table({{"outer", 0x1100, 0x100}, {"inner", 0x1140, 0x20}, {"innermost", 0x1150, 4}, {"after", 0x1180, 4}});
  EXPECT_EQ(table.At(0x113f), "outer+63");
  EXPECT_EQ(table.At(0x1140), "inner+0");
  EXPECT_EQ(table.At(0x1150), "innermost+0");
  EXPECT_EQ(table.At(0x1154), "inner+20");
  EXPECT_EQ(table.At(0x1160), "outer+96");
  EXPECT_EQ(table.At(0x1183), "after+3");
  EXPECT_EQ(table.At(0x11ff), "outer+255");
  EXPECT_EQ(table.At(0x1200), "");
}

TEST(SymbolTable, HoldsStaticFunctionsAndWhatResolvesToOneButNothingElse) {
  Table table({{"a_static", 0x1100, 16, STT_FUNC, STB_LOCAL},
               {"an_ifunc", 0x1200, 16, STT_GNU_IFUNC},
               {"assembly", 0x1300, 16, STT_NOTYPE},
               {"an_object_in_text", 0x1400, 16, STT_OBJECT},
               {"$x", 0x1500, 0, STT_NOTYPE, STB_LOCAL},  // AArch64 marks code with it
               {"undefined", 0x1600, 16, STT_FUNC, STB_GLOBAL, SHN_UNDEF},
               {"absolute", 0x1700, 16, STT_FUNC, STB_GLOBAL, SHN_ABS},
               {"in_data", 0x5000, 16, STT_FUNC, STB_GLOBAL, kData},
               {"end_of_text", 0x3000, 0, STT_NOTYPE, STB_GLOBAL, kText},
               {"of_no_section", 0x1800, 16, STT_FUNC, STB_GLOBAL, 77}});
  EXPECT_EQ(table.At(0x1100), "a_static+0");
  EXPECT_EQ(table.At(0x1200), "an_ifunc+0");
  EXPECT_EQ(table.At(0x1300), "assembly+0");
  for (const uint64_t address : {0x1400, 0x1500, 0x1600, 0x1700, 0x5000, 0x3000, 0x1800}) {
    EXPECT_EQ(table.At(address), "") << address;
  }
  EXPECT_EQ(table.size(), 3u);
}

TEST(SymbolTable, CallsAFunctionByItsShortestNameThatIsNotLocal) {
  Table table({{"_int_m", 0x1100, 16, STT_FUNC, STB_LOCAL},
               {"__libc_malloc", 0x1100, 16},
               {"malloc", 0x1100, 16, STT_FUNC, STB_WEAK},
               {"nalloc", 0x1100, 16}});
  EXPECT_EQ(table.At(0x1108), "malloc+8");

  Table of_two_lengths({{"_l", 0x1100, 32, STT_FUNC, STB_LOCAL}, {"global", 0x1100, 16}});
  EXPECT_EQ(of_two_lengths.At(0x110f), "global+15");
  EXPECT_EQ(of_two_lengths.At(0x1110), "_l+16");
}

TEST(SymbolTable, CutsTheVersionThatAnAssemblerLeftInAName) {
  Table table({{"memcpy@@GLIBC_2.14", 0x1100, 16}, {"memmove@GLIBC_2.2.5", 0x1200, 16}});
  EXPECT_EQ(table.At(0x1100), "memcpy+0");
  EXPECT_EQ(table.At(0x1200), "memmove+0");
}

TEST(SymbolTable, ReadsTheDynamicSymbolsOfAStrippedLibraryAndBothWhereBothAre) {
  Table stripped(File{.dynamic_symbols = {{"exported", 0x1100, 16}}});
  EXPECT_EQ(stripped.At(0x1100), "exported+0");

  Table both(File{.symbols = {{"exported", 0x1100, 16}, {"hidden", 0x1200, 16, STT_FUNC, STB_LOCAL}},
                  .dynamic_symbols = {{"exported", 0x1100, 16}, {"only_dynamic", 0x1300, 16}}});
  EXPECT_EQ(both.At(0x1100), "exported+0");
  EXPECT_EQ(both.At(0x1200), "hidden+0");
  EXPECT_EQ(both.At(0x1300), "only_dynamic+0");
  EXPECT_EQ(both.size(), 3u) << "what is in both is kept once";

  // As in .gnu_debugdata: .symtab has what .dynsym lacks.
  Table split(File{.symbols = {{"__GI_f", 0x1100, 16, STT_FUNC, STB_LOCAL}}, .dynamic_symbols = {{"f", 0x1100, 16}}});
  EXPECT_EQ(split.At(0x1100), "f+0");
}

TEST(SymbolTable, SaysOfRandomFunctionsWhatASlowSearchSays) {
  std::mt19937 random(20);
  const auto below = [&](uint32_t n) { return random() % n; };
  for (int round = 0; round < 1000; round++) {
    std::vector<Symbol> symbols(1 + below(16));
    for (Symbol& symbol : symbols) {
      constexpr unsigned char kTypes[] = {STT_FUNC, STT_FUNC, STT_FUNC, STT_NOTYPE, STT_OBJECT};
      constexpr unsigned char kBinds[] = {STB_GLOBAL, STB_LOCAL, STB_WEAK};
      // Near the border of the two sections of code, so that it is crossed.
      symbol = {std::string(1 + below(2), static_cast<char>('a' + below(26))),
                0x2fe0 + below(0x40),
                below(3) == 0 ? 0 : below(0x40),
                kTypes[below(5)],
                kBinds[below(3)],
                static_cast<uint16_t>(1 + below(2))};
    }
    Table table(symbols);
    for (uint64_t address = 0x2fd8; address < 0x3068; address++) {
      const images::Found slow = images::SlowFind(symbols, address);
      const std::string expected = slow.name.empty() ? "" : slow.name + "+" + std::to_string(address - slow.start);
      ASSERT_EQ(table.At(address), expected) << "round " << round << ", address " << std::hex << address;
    }
  }
}

TEST(SymbolTable, RefusesWhatIsNoProgramOfThisMachine) {
  const std::string good = images::Bytes({.symbols = {{"f", 0x1100, 16}}});
  EXPECT_EQ(OpenBytes(good), 0);
  const auto with = [&](size_t at, char value) {
    std::string bytes = good;
    bytes[at] = value;
    return OpenBytes(bytes);
  };
  EXPECT_EQ(with(0, 'X'), ENOEXEC);
  EXPECT_EQ(with(EI_CLASS, ELFCLASS32), ENOEXEC);
  EXPECT_EQ(with(EI_DATA, ELFDATA2MSB), ENOEXEC);
  EXPECT_EQ(with(offsetof(Elf64_Ehdr, e_type), ET_REL), ENOEXEC);
  EXPECT_EQ(with(offsetof(Elf64_Ehdr, e_type), ET_CORE), ENOEXEC);
  constexpr uint16_t kOther = kThisMachine == EM_X86_64 ? EM_AARCH64 : EM_X86_64;
  EXPECT_EQ(OpenBytes(images::Bytes({.symbols = {{"f", 0x1100, 16}}, .machine = kOther})), ENOEXEC);
  EXPECT_EQ(OpenBytes(""), ENOEXEC);
  EXPECT_EQ(OpenBytes("#!/bin/sh\n"), ENOEXEC);
}

TEST(SymbolTable, RefusesAFileThatIsCutAnywhere) {
  const std::string good = images::Bytes({.symbols = {{"f", 0x1100, 16}}, .dynamic_symbols = {{"g", 0x1200, 16}}});
  for (size_t size = 0; size < good.size(); size++) EXPECT_EQ(OpenBytes(good.substr(0, size)), ENOEXEC) << size;
}

TEST(SymbolTable, RefusesTablesThatLieOutsideTheFile) {
  const std::string good = images::Bytes({.symbols = {{"f", 0x1100, 16}}});
  const auto header = reinterpret_cast<const Elf64_Ehdr*>(good.data());
  const auto with = [&](size_t section, auto change) {
    std::string bytes = good;
    change(reinterpret_cast<Elf64_Shdr*>(bytes.data() + header->e_shoff)[section]);
    return OpenBytes(bytes);
  };
  constexpr size_t kSymbols = 4;
  constexpr size_t kStrings = 5;
  for (const size_t section : {kSymbols, kStrings}) {
    EXPECT_EQ(with(section, [](Elf64_Shdr& one) { one.sh_offset = UINT64_MAX - 8; }), ENOEXEC);
    EXPECT_EQ(with(section, [](Elf64_Shdr& one) { one.sh_offset = uint64_t{1} << 40; }), ENOEXEC);
    EXPECT_EQ(with(section, [](Elf64_Shdr& one) { one.sh_size = UINT64_MAX; }), ENOEXEC);
    EXPECT_EQ(with(section, [](Elf64_Shdr& one) { one.sh_size += 1000; }), ENOEXEC);
  }
  EXPECT_EQ(with(kSymbols, [](Elf64_Shdr& one) { one.sh_entsize = 16; }), ENOEXEC);
  EXPECT_EQ(with(kSymbols, [](Elf64_Shdr& one) { one.sh_link = 6; }), ENOEXEC);
  EXPECT_EQ(with(kSymbols, [](Elf64_Shdr& one) { one.sh_link = kSymbols; }), ENOEXEC);
  const Elf64_Shdr symbols = reinterpret_cast<const Elf64_Shdr*>(good.data() + header->e_shoff)[kSymbols];
  EXPECT_EQ(with(kData, [&](Elf64_Shdr& one) { one = symbols; }), ENOEXEC) << "a second .symtab";
  // A name beyond the strings is not there.
  EXPECT_EQ(with(kStrings, [](Elf64_Shdr& one) { one.sh_size = 1; }), 0);
}

TEST(SymbolTable, HasNoFunctionWhoseNameDoesNotEndOrHasNoReasonableLength) {
  const std::string longest(SymbolTable::kMaxNameBytes - 1, 'n');
  const std::string longer(SymbolTable::kMaxNameBytes + 512, 'x');
  Table table({{longest, 0x1100, 16}, {longer, 0x1200, 16}, {"", 0x1300, 16}});
  EXPECT_EQ(table.At(0x1100), longest + "+0");
  EXPECT_EQ(table.At(0x1200), "");
  EXPECT_EQ(table.At(0x1300), "");

  std::string bytes = images::Bytes({.symbols = {{"endless", 0x1100, 16}}});
  const auto header = reinterpret_cast<const Elf64_Ehdr*>(bytes.data());
  reinterpret_cast<Elf64_Shdr*>(bytes.data() + header->e_shoff)[5].sh_size -= 1;
  SymbolTable endless;
  ASSERT_EQ(endless.OpenImage(bytes.data(), bytes.size()), 0);
  EXPECT_EQ(At(endless, 0x1100), "");
}

// Offsets of names have flags above them in the table.
TEST(SymbolTable, HasNoFunctionWhoseNameLiesBeyondTheStrings) {
  std::string bytes = images::Bytes({.symbols = {{"f", 0x1100, 16}}, .dynamic_symbols = {{"g", 0x1200, 16}}});
  const auto header = reinterpret_cast<const Elf64_Ehdr*>(bytes.data());
  const auto& symbols = reinterpret_cast<const Elf64_Shdr*>(bytes.data() + header->e_shoff)[6];
  ASSERT_EQ(symbols.sh_type, static_cast<uint32_t>(SHT_SYMTAB));
  for (const uint32_t name : {3u, 1u << 30 | 1, 1u << 31 | 1, 3u << 30 | 1}) {
    std::memcpy(bytes.data() + symbols.sh_offset + sizeof(Elf64_Sym), &name, sizeof name);
    SymbolTable table;
    ASSERT_EQ(table.OpenImage(bytes.data(), bytes.size()), 0);
    EXPECT_EQ(At(table, 0x1100), "") << name;
  }
}

TEST(SymbolTable, CountsSectionsInTheFirstWhenTheHeaderCannot) {
  Table table(File{.symbols = {{"f", 0x1100, 16}}, .sections_counted_in_first = true});
  EXPECT_EQ(table.At(0x1100), "f+0");
}

TEST(SymbolTable, RefusesAnotherBuildThanTheOneThatWasLoaded) {
  const std::string id = "twenty bytes of hash";
  const std::string other = "twenty bytes of h4sh";
  const std::string bytes = images::Bytes({.symbols = {{"f", 0x1100, 16}}, .build_id = id});
  const std::string without = images::Bytes({.symbols = {{"f", 0x1100, 16}}});
  SymbolTable table;
  EXPECT_EQ(table.OpenImage(bytes.data(), bytes.size(), Id(id), id.size()), 0);
  EXPECT_EQ(At(table, 0x1100), "f+0");
  EXPECT_EQ(table.OpenImage(bytes.data(), bytes.size(), Id(other), other.size()), ESTALE);
  EXPECT_EQ(At(table, 0x1100), "") << "the earlier table is gone";
  EXPECT_EQ(table.OpenImage(bytes.data(), bytes.size(), Id(id), id.size() - 1), ESTALE);
  EXPECT_EQ(table.OpenImage(without.data(), without.size(), Id(id), id.size()), ESTALE);
  EXPECT_EQ(table.OpenImage(bytes.data(), bytes.size()), 0) << "an object without a build id is taken as it is";

  const TemporaryFile file(bytes);
  EXPECT_EQ(table.Open(file.path(), Id(id), id.size()), 0);
  EXPECT_EQ(table.Open(file.path(), Id(other), other.size()), ESTALE);
}

TEST(SymbolTable, SaysWhyAFileCannotBeOpened) {
  SymbolTable table;
  EXPECT_EQ(Open(table, "/nonexistent/libnothing.so"), ENOENT);
  EXPECT_EQ(Open(table, "/tmp"), ENOEXEC);
  const TemporaryFile text("not a program");
  EXPECT_EQ(Open(table, text.path()), ENOEXEC);
  EXPECT_EQ(At(table, 0x1100), "");
}

TEST(SymbolTable, RefusesMoreSymbolsThanItHoldsBeforeItReadsThem) {
  const std::string bytes = images::Bytes({.symbols = {{"f", 0x1100, 16}}});
  TemporaryFile file(bytes);
  file.Cut(off_t{1} << 30);  // longer, and sparse
  const auto header = reinterpret_cast<const Elf64_Ehdr*>(bytes.data());
  Elf64_Shdr symbols = reinterpret_cast<const Elf64_Shdr*>(bytes.data() + header->e_shoff)[4];
  symbols.sh_size = (SymbolTable::kMaxSymbols + 1) * sizeof(Elf64_Sym);
  FILE* out = fopen(file.path(), "r+");
  fseek(out, static_cast<long>(header->e_shoff + 4 * sizeof symbols), SEEK_SET);
  fwrite(&symbols, sizeof symbols, 1, out);
  fclose(out);
  SymbolTable table;
  EXPECT_EQ(Open(table, file.path()), EFBIG);
}

// A mapped file would have ended the process with SIGBUS.
TEST(SymbolTable, SurvivesThatItsFileIsCutWhileItIsOpen) {
  TemporaryFile file(images::Bytes({.symbols = {{"f", 0x1100, 16}, {"g", 0x1200, 16}}}));
  SymbolTable table;
  ASSERT_EQ(Open(table, file.path()), 0);
  EXPECT_EQ(At(table, 0x1100), "f+0");
  EXPECT_EQ(At(table, 0x1200), "g+0");
  file.Cut(100);
  EXPECT_EQ(At(table, 0x1100), "");
  EXPECT_EQ(Open(table, file.path()), ENOEXEC);
}

[[gnu::noinline]] int StaticFunctionOfThisTest(int value) {
  asm volatile("" : "+r"(value));
  return value;
}

TEST(SymbolTable, NamesTheFunctionsOfThisProcess) {
  ObjectList list;
  ASSERT_TRUE(ListObjects(list));
  const auto name = [&](uint64_t address) -> std::string {
    for (const LoadedObject& object : list.objects) {
      if (address < object.start || address >= object.end) continue;
      SymbolTable table;
      const std::string path(list.names.At(object.name));
      EXPECT_EQ(table.Open(path.c_str(), object.build_id, object.build_id_size), 0) << path;
      std::string_view found;
      uint64_t start;
      if (!table.Find(address - object.bias, found, start)) return "";
      EXPECT_EQ(start + object.bias, address);
      return std::string(found);
    }
    return "";
  };
  EXPECT_EQ(name(reinterpret_cast<uint64_t>(&StaticFunctionOfThisTest)),
            "_ZN8tidemark12_GLOBAL__N_124StaticFunctionOfThisTestEi");
  // Of libc, which is stripped mostly. Not malloc: a sanitizer has its own.
  EXPECT_EQ(name(reinterpret_cast<uint64_t>(dlsym(RTLD_NEXT, "setenv"))), "setenv");
}

}  // namespace
}  // namespace tidemark
