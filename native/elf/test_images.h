// ELF files and loaded objects made in memory, for tests and fuzzers: what a linker makes, and what none would.
#pragma once

#include <elf.h>
#include <link.h>
#include <sys/mman.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "base/own_mapping.h"
#include "elf/relocation_slots.h"

namespace tidemark::images {

struct Symbol {
  std::string name;
  uint64_t value;
  uint64_t size = 0;
  unsigned char type = STT_FUNC;
  unsigned char bind = STB_GLOBAL;
  uint16_t section = 1;
};

// Of every file made here.
constexpr uint16_t kText = 1;        // code: 0x1000 up to 0x3000
constexpr uint16_t kSecondText = 2;  // code: 0x3000 up to 0x4000
constexpr uint16_t kData = 3;        // 0x5000 up to 0x6000

struct File {
  std::vector<Symbol> symbols = {};  // of .symtab, which is there when they are
  std::vector<Symbol> dynamic_symbols = {};
  std::string build_id = {};
  uint16_t machine = kThisMachine;
  bool sections_counted_in_first = false;  // as in a file of more sections than the header can count
};

template <class T>
void Add(std::string& bytes, const T& value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

inline std::string Notes(std::string_view build_id) {
  std::string notes;
  Add(notes, Elf64_Nhdr{4, static_cast<uint32_t>(build_id.size()), NT_GNU_BUILD_ID});
  notes.append("GNU\0", 4);
  notes.append(build_id);
  notes.append(-build_id.size() % 4, '\0');
  return notes;
}

// The section headers come last: a file that is cut anywhere has lost some.
inline std::string Bytes(const File& file) {
  std::string bytes(sizeof(Elf64_Ehdr), '\0');
  Elf64_Ehdr header = {};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  header.e_type = ET_DYN;
  header.e_machine = file.machine;
  header.e_version = EV_CURRENT;
  header.e_ehsize = sizeof(Elf64_Ehdr);
  header.e_shentsize = sizeof(Elf64_Shdr);
  header.e_phentsize = sizeof(Elf64_Phdr);

  std::vector<Elf64_Shdr> sections(4);
  const auto section = [&](size_t i, uint64_t flags, uint64_t address, uint64_t size) {
    sections[i].sh_type = SHT_PROGBITS;
    sections[i].sh_flags = flags;
    sections[i].sh_addr = address;
    sections[i].sh_size = size;
  };
  section(kText, SHF_ALLOC | SHF_EXECINSTR, 0x1000, 0x2000);
  section(kSecondText, SHF_ALLOC | SHF_EXECINSTR, 0x3000, 0x1000);
  section(kData, SHF_ALLOC | SHF_WRITE, 0x5000, 0x1000);

  if (!file.build_id.empty()) {
    const std::string notes = Notes(file.build_id);
    header.e_phoff = bytes.size();
    header.e_phnum = 2;
    Elf64_Phdr load = {};
    load.p_type = PT_LOAD;
    Elf64_Phdr note = {};
    note.p_type = PT_NOTE;
    note.p_offset = bytes.size() + 2 * sizeof(Elf64_Phdr);
    note.p_filesz = note.p_memsz = notes.size();
    note.p_align = 4;
    Add(bytes, load);
    Add(bytes, note);
    bytes += notes;
  }

  const auto table = [&](uint32_t type, const std::vector<Symbol>& symbols) {
    if (symbols.empty()) return;
    std::string strings(1, '\0');
    Elf64_Shdr of_symbols = {};
    of_symbols.sh_type = type;
    of_symbols.sh_offset = bytes.size();
    of_symbols.sh_size = (symbols.size() + 1) * sizeof(Elf64_Sym);
    of_symbols.sh_entsize = sizeof(Elf64_Sym);
    of_symbols.sh_link = static_cast<uint32_t>(sections.size() + 1);
    Add(bytes, Elf64_Sym{});
    for (const Symbol& symbol : symbols) {
      Elf64_Sym entry = {};
      entry.st_name = static_cast<uint32_t>(strings.size());
      entry.st_info = ELF64_ST_INFO(symbol.bind, symbol.type);
      entry.st_shndx = symbol.section;
      entry.st_value = symbol.value;
      entry.st_size = symbol.size;
      Add(bytes, entry);
      strings += symbol.name;
      strings += '\0';
    }
    Elf64_Shdr of_strings = {};
    of_strings.sh_type = SHT_STRTAB;
    of_strings.sh_offset = bytes.size();
    of_strings.sh_size = strings.size();
    bytes += strings;
    sections.push_back(of_symbols);
    sections.push_back(of_strings);
  };
  table(SHT_DYNSYM, file.dynamic_symbols);
  table(SHT_SYMTAB, file.symbols);

  bytes.append(-bytes.size() % alignof(Elf64_Shdr), '\0');
  header.e_shoff = bytes.size();
  header.e_shnum = static_cast<uint16_t>(sections.size());
  if (file.sections_counted_in_first) {
    sections[0].sh_size = sections.size();
    header.e_shnum = 0;
  }
  for (const Elf64_Shdr& one : sections) Add(bytes, one);
  std::memcpy(bytes.data(), &header, sizeof header);
  return bytes;
}

// What SymbolTable::Find must say of .symtab alone, looked up the slow way.
struct Found {
  std::string name;  // empty: no function there
  uint64_t start = 0;
};

inline Found SlowFind(const std::vector<Symbol>& symbols, uint64_t address) {
  struct Function {
    const Symbol* symbol;
    uint64_t end;
  };
  const auto section_end = [](const Symbol& symbol) -> uint64_t {
    if (symbol.section == kText && symbol.value >= 0x1000 && symbol.value < 0x3000) return 0x3000;
    if (symbol.section == kSecondText && symbol.value >= 0x3000 && symbol.value < 0x4000) return 0x4000;
    return 0;
  };
  std::vector<Function> functions;
  for (const Symbol& symbol : symbols) {
    const bool function = symbol.type == STT_FUNC || symbol.type == STT_GNU_IFUNC ||
                          (symbol.type == STT_NOTYPE && symbol.bind != STB_LOCAL);
    const uint64_t limit = section_end(symbol);
    if (!function || limit == 0 || symbol.name.empty()) continue;
    const uint64_t room = limit - symbol.value;
    functions.push_back({&symbol, symbol.value + (symbol.size < room ? symbol.size : room)});
  }
  std::vector<Function> ranges;
  for (const Function& function : functions) {
    const uint64_t start = function.symbol->value;
    uint64_t end = function.end;
    bool label = false;
    if (function.symbol->size == 0) {
      uint64_t next = section_end(*function.symbol);
      for (const Function& other : functions) {
        if (other.symbol->value <= start && other.end > start) label = true;
        if (other.symbol->value > start && other.symbol->value < next) next = other.symbol->value;
      }
      end = next;
    }
    if (!label) ranges.push_back({function.symbol, end});
  }
  const Symbol* best = nullptr;
  for (const Function& range : ranges) {
    const Symbol& symbol = *range.symbol;
    if (address < symbol.value || address >= range.end) continue;
    const auto better = [&] {
      if (best == nullptr) return true;
      if (symbol.value != best->value) return symbol.value > best->value;
      const bool local = symbol.bind == STB_LOCAL;
      if (local != (best->bind == STB_LOCAL)) return !local;
      if (symbol.name.size() != best->name.size()) return symbol.name.size() < best->name.size();
      return symbol.name < best->name;
    };
    if (better()) best = &symbol;
  }
  return best == nullptr ? Found{} : Found{best->name, best->value};
}

// An object as the loader would leave it: three pages, each a segment, and an inaccessible one behind. Symbol 1 is
// "malloc", undefined; 2 is "local_thing", defined; 3 has no name. Tests change what they want to see refused.
class Loaded {
 public:
  static inline const uint64_t kPage = PageSize();

  Loaded()
      : memory_(
            static_cast<char*>(mmap(nullptr, 4 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {
    mprotect(memory_ + 3 * kPage, kPage, PROT_NONE);
    constexpr char kStrings[] = "\0malloc\0local_thing";
    std::memcpy(strings(), kStrings, sizeof kStrings);
    symbols()[1].st_name = 1;
    symbols()[2].st_name = 8;
    symbols()[2].st_shndx = 1;
    headers.resize(7);
    headers[0] = Header(PT_LOAD, PF_R, 0, kPage);
    headers[1] = Header(PT_LOAD, PF_R | PF_X, kPage, kPage);
    headers[2] = Header(PT_LOAD, PF_R | PF_W, 2 * kPage, kPage);
    headers[3] = Header(PT_DYNAMIC, PF_R | PF_W, 2 * kPage, 16 * sizeof(Elf64_Dyn));
    headers[4] = Header(PT_GNU_RELRO, PF_R, 2 * kPage, kPage);
    headers[5] = Header(PT_GNU_EH_FRAME, PF_R, 0xf00, 0x20);
    const std::string notes = Notes("0123456789abcdefghij");
    std::memcpy(memory_ + 0xe00, notes.data(), notes.size());
    headers[6] = Header(PT_NOTE, PF_R, 0xe00, notes.size());
    headers[6].p_align = 4;
    Set(DT_SYMTAB, bias() + 0);
    Set(DT_SYMENT, sizeof(Elf64_Sym));
    Set(DT_STRTAB, bias() + 0x100);
    Set(DT_STRSZ, sizeof kStrings);
    Set(DT_RELA, bias() + 0x200);
    Set(DT_RELASZ, 0);
    Set(DT_RELAENT, sizeof(Elf64_Rela));
    Set(DT_JMPREL, bias() + 0x600);
    Set(DT_PLTRELSZ, 0);
    Set(DT_PLTREL, DT_RELA);
  }
  ~Loaded() { munmap(memory_, 4 * kPage); }
  Loaded(const Loaded&) = delete;
  Loaded& operator=(const Loaded&) = delete;

  uint64_t bias() const { return reinterpret_cast<uint64_t>(memory_); }
  Elf64_Sym* symbols() { return reinterpret_cast<Elf64_Sym*>(memory_); }
  char* strings() { return memory_ + 0x100; }
  Elf64_Rela* relocations() { return reinterpret_cast<Elf64_Rela*>(memory_ + 0x200); }
  Elf64_Rela* plt_relocations() { return reinterpret_cast<Elf64_Rela*>(memory_ + 0x600); }
  static inline const uint64_t kGot = 2 * kPage + 0x800;

  // Changes an entry of the dynamic section, or adds it.
  void Set(int64_t tag, uint64_t value) {
    auto* entry = reinterpret_cast<Elf64_Dyn*>(memory_ + 2 * kPage);
    while (entry->d_tag != DT_NULL && entry->d_tag != tag) entry++;
    entry->d_tag = tag;
    entry->d_un.d_val = value;
  }
  void AddRelocation(uint32_t type, size_t symbol, uint64_t offset, int64_t addend = 0) {
    relocations()[count_++] = {offset, ELF64_R_INFO(symbol, type), addend};
    Set(DT_RELASZ, count_ * sizeof(Elf64_Rela));
  }
  void AddPltRelocation(uint32_t type, size_t symbol, uint64_t offset) {
    plt_relocations()[plt_count_++] = {offset, ELF64_R_INFO(symbol, type), 0};
    Set(DT_PLTRELSZ, plt_count_ * sizeof(Elf64_Rela));
  }

  LoadedObject Describe() const {
    dl_phdr_info info = {};
    info.dlpi_addr = bias();
    info.dlpi_phdr = headers.data();
    info.dlpi_phnum = static_cast<Elf64_Half>(headers.size());
    LoadedObject object;
    DescribeObject(info, object);
    return object;
  }

  std::vector<Elf64_Phdr> headers;

 private:
  static Elf64_Phdr Header(uint32_t type, uint32_t flags, uint64_t address, uint64_t size) {
    Elf64_Phdr header = {};
    header.p_type = type;
    header.p_flags = flags;
    header.p_vaddr = address;
    header.p_filesz = header.p_memsz = size;
    return header;
  }

  char* memory_;
  size_t count_ = 0;
  size_t plt_count_ = 0;
};

}  // namespace tidemark::images
