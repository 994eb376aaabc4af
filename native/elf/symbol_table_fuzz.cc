// Any file, and any symbols of a file that is otherwise in order, against the slow search. The first byte chooses.

#include <cstdio>
#include <cstdlib>

#include "elf/demangle.h"
#include "elf/symbol_table.h"
#include "elf/test_images.h"

using namespace tidemark;

static void Check(bool good, const char* what) {
  if (good) return;
  fprintf(stderr, "%s\n", what);
  abort();
}

static void CheckFound(SymbolTable& table, uint64_t address) {
  std::string_view name;
  uint64_t start;
  if (!table.Find(address, name, start)) return;
  Check(start <= address, "the function begins behind the address");
  Check(!name.empty() && name.find('\0') == name.npos, "the name is no name");
  char out[100];
  Check(Demangle(name.substr(0, 200), out, sizeof out) <= sizeof out, "the name is longer than its place");
  Check(ShortenName(name, out, sizeof out) <= sizeof out, "the short name is longer than its place");
}

static void AnyFile(const uint8_t* data, size_t size) {
  SymbolTable table;
  if (table.OpenImage(data, size) != 0) Check(table.size() == 0, "a table of a file that was refused");
  for (size_t at = 0; at + 8 <= size && at < 200; at += 4) {
    uint64_t address;
    std::memcpy(&address, data + at, sizeof address);
    CheckFound(table, address);
    CheckFound(table, address & 0xffff);
  }
  const uint8_t build_id[20] = {1, 2, 3};
  table.OpenImage(data, size, build_id, sizeof build_id);
}

static void AnySymbols(const uint8_t* data, size_t size) {
  std::vector<images::Symbol> symbols;
  for (size_t at = 0; at + 5 <= size && symbols.size() < 12; at += 5) {  // no more than the names that are compared
    constexpr unsigned char kTypes[] = {STT_FUNC, STT_NOTYPE, STT_GNU_IFUNC, STT_OBJECT};
    symbols.push_back({std::string(1 + (data[at] >> 6), static_cast<char>('a' + data[at] % 26)), 0x2f80u + data[at + 1],
                       data[at + 2], kTypes[data[at + 3] % 4], static_cast<unsigned char>(data[at + 3] / 4 % 3),
                       static_cast<uint16_t>(1 + data[at + 4] % 3)});
  }
  const std::string bytes = images::Bytes({.symbols = symbols});
  SymbolTable table;
  Check(table.OpenImage(bytes.data(), bytes.size()) == 0, "a good file is refused");
  for (uint64_t address = 0x2f70; address < 0x31a0; address++) {
    const images::Found slow = images::SlowFind(symbols, address);
    std::string_view name;
    uint64_t start = 0;
    if (!table.Find(address, name, start)) name = {};
    Check(name == slow.name && start == slow.start, "not what the slow search says");
  }
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  if (data[0] % 2 == 0) {
    AnyFile(data + 1, size - 1);
  } else {
    AnySymbols(data + 1, size - 1);
  }
  return 0;
}
