#include "elf/symbol_table.h"

#include <elf.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "elf/build_id.h"
#include "elf/relocation_slots.h"

namespace tidemark {
namespace {

// What is in the upper bits of an entry's name; string tables are smaller than 1 GiB.
constexpr uint32_t kDynamic = 1u << 31;  // from .dynsym, not .symtab
constexpr uint32_t kLocal = 1u << 30;
constexpr uint32_t kOffsetMask = kLocal - 1;
constexpr uint32_t kNone = UINT32_MAX;

constexpr size_t kMaxSections = 65536;
constexpr size_t kMaxHeaders = 1024;
constexpr size_t kMaxNotes = size_t{1} << 20;
constexpr size_t kMaxAliases = 16;  // names of one function that are compared

bool IsFunction(const Elf64_Sym& symbol) {
  switch (ELF64_ST_TYPE(symbol.st_info)) {
    case STT_FUNC:
    case STT_GNU_IFUNC:
      return true;
    case STT_NOTYPE:
      // Hand-written assembly often says no more than .globl. What is local is a label within a function, or one of
      // AArch64's marks ($x, $d) between code and data.
      return ELF64_ST_BIND(symbol.st_info) != STB_LOCAL;
    default:
      return false;
  }
}

}  // namespace

struct SymbolTable::Sections {
  MappedArray<Elf64_Shdr> headers;

  const Elf64_Shdr* Code(size_t index) const {
    if (index >= headers.size()) return nullptr;
    const Elf64_Shdr& header = headers[index];
    if ((header.sh_flags & SHF_EXECINSTR) == 0 || header.sh_addr + header.sh_size < header.sh_addr) return nullptr;
    return &header;
  }

  // The end of the section of code that holds the address; the address itself when there is none.
  uint64_t CodeEnd(uint64_t address) const {
    for (size_t i = 0; i < headers.size(); i++) {
      const Elf64_Shdr* code = Code(i);
      if (code != nullptr && address - code->sh_addr < code->sh_size) return code->sh_addr + code->sh_size;
    }
    return address;
  }
};

int SymbolTable::Open(const char* path, const uint8_t* build_id, size_t build_id_size) noexcept {
  *this = SymbolTable();
  // Not blocking: who opens a FIFO would wait for a writer.
  file_ = UniqueFd(open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file_) return errno;
  // Not fstat, which moved to a newer symbol version. What is no regular file has no end, or nothing to read before it.
  const off_t size = lseek(file_.get(), 0, SEEK_END);
  if (size < 0) return ENOEXEC;
  size_ = static_cast<uint64_t>(size);
  return Load(build_id, build_id_size);
}

int SymbolTable::OpenImage(const void* image, size_t size, const uint8_t* build_id, size_t build_id_size) noexcept {
  *this = SymbolTable();
  image_ = static_cast<const char*>(image);
  size_ = size;
  return Load(build_id, build_id_size);
}

// 0 or an errno: ENOEXEC when the file does not reach so far.
int SymbolTable::ReadAt(uint64_t offset, void* out, size_t size) const noexcept {
  if (offset > size_ || size > size_ - offset) return ENOEXEC;
  if (image_ != nullptr) {
    if (size != 0) std::memcpy(out, image_ + offset, size);
    return 0;
  }
  char* to = static_cast<char*>(out);
  while (size > 0) {
    const ssize_t got = pread(file_.get(), to, size, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno == EISDIR ? ENOEXEC : errno;
    if (got == 0) return ENOEXEC;  // it has been cut since it was opened
    to += got;
    offset += static_cast<uint64_t>(got);
    size -= static_cast<size_t>(got);
  }
  return 0;
}

int SymbolTable::CheckBuildId(uint64_t table, size_t count, const uint8_t* build_id,
                              size_t build_id_size) const noexcept {
  if (count > kMaxHeaders) return ENOEXEC;
  for (size_t i = 0; i < count; i++) {
    Elf64_Phdr header;
    if (const int error = ReadAt(table + i * sizeof header, &header, sizeof header)) return error;
    if (header.p_type != PT_NOTE) continue;
    if (header.p_filesz > kMaxNotes) return ENOEXEC;
    MappedArray<char> notes;
    char* bytes = notes.Append(header.p_filesz);
    if (bytes == nullptr) return ENOMEM;
    if (const int error = ReadAt(header.p_offset, bytes, header.p_filesz)) return error;
    uint8_t found[kBuildIdBytes];
    const size_t size = FindBuildId(bytes, header.p_filesz, header.p_align, found);
    if (size == 0) continue;
    return size == build_id_size && std::memcmp(found, build_id, size) == 0 ? 0 : ESTALE;
  }
  return ESTALE;
}

int SymbolTable::Load(const uint8_t* build_id, size_t build_id_size) noexcept {
  Elf64_Ehdr header;
  if (const int error = ReadAt(0, &header, sizeof header)) return error;
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
      header.e_ident[EI_DATA] != ELFDATA2LSB || header.e_machine != kThisMachine ||
      (header.e_type != ET_EXEC && header.e_type != ET_DYN)) {
    return ENOEXEC;
  }
  if (build_id_size > 0) {
    if (header.e_phnum > 0 && header.e_phentsize != sizeof(Elf64_Phdr)) return ENOEXEC;
    if (const int error = CheckBuildId(header.e_phoff, header.e_phnum, build_id, build_id_size)) return error;
  }

  if (header.e_shoff == 0) return 0;  // stripped of its sections too
  if (header.e_shentsize != sizeof(Elf64_Shdr)) return ENOEXEC;
  Sections sections;
  uint64_t count = header.e_shnum;
  if (count == 0) {  // more than the header can count: the first section says how many
    Elf64_Shdr first;
    if (const int error = ReadAt(header.e_shoff, &first, sizeof first)) return error;
    count = first.sh_size;
  }
  if (count == 0 || count > kMaxSections) return ENOEXEC;
  Elf64_Shdr* headers = sections.headers.Append(count);
  if (headers == nullptr) return ENOMEM;
  if (const int error = ReadAt(header.e_shoff, headers, count * sizeof *headers)) return error;

  base_ = UINT64_MAX;
  for (size_t i = 0; i < count; i++) {
    if (const Elf64_Shdr* code = sections.Code(i)) base_ = std::min<uint64_t>(base_, code->sh_addr);
  }
  for (size_t i = 0; i < count; i++) {
    const uint32_t type = headers[i].sh_type;
    if (type != SHT_SYMTAB && type != SHT_DYNSYM) continue;
    if (const int error = AddSymbols(sections, i, type == SHT_DYNSYM)) {
      entries_ = {};
      return error;
    }
  }
  std::sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) {
    if (a.start != b.start) return a.start < b.start;
    if (a.length != b.length) return a.length > b.length;
    return a.name < b.name;
  });
  Nest(sections);
  return 0;
}

int SymbolTable::AddSymbols(const Sections& sections, size_t index, bool dynamic) noexcept {
  const Elf64_Shdr& table = sections.headers[index];
  Strings& strings = strings_[dynamic];
  if (strings.size != 0) return ENOEXEC;  // there is one of each
  if (table.sh_entsize != sizeof(Elf64_Sym) || table.sh_link >= sections.headers.size()) return ENOEXEC;
  const Elf64_Shdr& text = sections.headers[table.sh_link];
  if (text.sh_type != SHT_STRTAB || text.sh_offset > size_ || text.sh_size > size_ - text.sh_offset) return ENOEXEC;
  if (table.sh_offset > size_ || table.sh_size > size_ - table.sh_offset) return ENOEXEC;
  const uint64_t count = table.sh_size / sizeof(Elf64_Sym);
  if (count > kMaxSymbols || text.sh_size > kOffsetMask) return EFBIG;
  strings = {text.sh_offset, text.sh_size};

  // Room for all; what is not used is not touched, and costs nothing.
  const size_t before = entries_.size();
  Entry* entry = entries_.Append(count);
  if (entry == nullptr) return ENOMEM;
  MappedArray<Elf64_Sym> block;
  const size_t block_size = Scratch::kBlockBytes / sizeof(Elf64_Sym);
  Elf64_Sym* symbols = block.Append(block_size);
  if (symbols == nullptr) return ENOMEM;
  for (uint64_t done = 0; done < count;) {
    const size_t some = std::min<uint64_t>(block_size, count - done);
    const uint64_t offset = table.sh_offset + done * sizeof(Elf64_Sym);
    if (const int error = ReadAt(offset, symbols, some * sizeof(Elf64_Sym))) return error;
    for (size_t i = 0; i < some; i++) {
      const Elf64_Sym& symbol = symbols[i];
      if (!IsFunction(symbol) || symbol.st_name == 0 || symbol.st_name >= text.sh_size) continue;
      const Elf64_Shdr* code = sections.Code(symbol.st_shndx);
      if (code == nullptr || symbol.st_value - code->sh_addr >= code->sh_size) continue;
      const uint64_t start = symbol.st_value - base_;
      if (start > UINT32_MAX) continue;
      const uint64_t room = code->sh_addr + code->sh_size - symbol.st_value;
      const uint64_t length = std::min<uint64_t>({symbol.st_size, room, UINT32_MAX});
      const bool local = ELF64_ST_BIND(symbol.st_info) == STB_LOCAL;
      *entry++ = {static_cast<uint32_t>(start), static_cast<uint32_t>(length),
                  symbol.st_name | (dynamic ? kDynamic : 0) | (local ? kLocal : 0), kNone};
    }
    done += some;
  }
  entries_.Shrink(before + count - static_cast<size_t>(entry - entries_.data()));
  return 0;
}

// Of entries sorted by start, the longest first: finds what each lies in, gives those without a length what is free up
// to the next, and drops the labels within functions and the .dynsym half of the names that are in both tables.
void SymbolTable::Nest(const Sections& sections) noexcept {
  size_t kept = 0;
  size_t group = 0;  // the first kept entry that starts where the last one does
  const auto fill = [&](uint64_t next) {
    if (kept == 0 || entries_[group].length != 0) return;
    const uint64_t start = base_ + entries_[group].start;
    const uint64_t end = std::min(next, sections.CodeEnd(start));
    const auto length = static_cast<uint32_t>(std::min(end - start, uint64_t{UINT32_MAX}));
    for (size_t i = group; i < kept; i++) entries_[i].length = length;
  };
  for (size_t i = 0; i < entries_.size(); i++) {
    Entry entry = entries_[i];
    if (kept > 0 && entry.start == entries_[group].start) {
      const Entry& last = entries_[kept - 1];
      const bool twice = (entry.name & kDynamic) != 0 && (last.name & (kDynamic | kLocal)) == 0;
      if (twice && entry.length == last.length) continue;
    } else {
      // An entry that ends before this one starts ends before all that follow: `outer` leads past it for good.
      uint32_t outer = kept == 0 ? kNone : static_cast<uint32_t>(group);
      while (outer != kNone && entries_[outer].start + uint64_t{entries_[outer].length} <= entry.start) {
        outer = entries_[outer].outer;
      }
      if (entry.length == 0 && outer != kNone) continue;
      fill(base_ + entry.start);
      entry.outer = outer;
      group = kept;
    }
    entries_[kept++] = entry;
  }
  fill(UINT64_MAX);
  entries_.Shrink(entries_.size() - kept);
}

bool SymbolTable::ReadName(uint32_t name, KeptArray<char>& out) const noexcept {
  constexpr size_t kPiece = 512;
  const Strings& strings = strings_[(name & kDynamic) != 0];
  out.Shrink(out.size());
  for (uint64_t at = name & kOffsetMask; at < strings.size && out.size() < kMaxNameBytes; at += kPiece) {
    const size_t size = std::min<uint64_t>(kPiece, strings.size - at);
    char* piece = out.Append(size);
    if (piece == nullptr || ReadAt(strings.offset + at, piece, size) != 0) return false;
    if (const void* nul = std::memchr(piece, '\0', size)) {
      out.Shrink(static_cast<size_t>(out.end() - static_cast<const char*>(nul)));
      // `name@VERSION` is what assemblers leave of a versioned symbol.
      if (const void* version = out.size() == 0 ? nullptr : std::memchr(out.data() + 1, '@', out.size() - 1)) {
        out.Shrink(static_cast<size_t>(out.end() - static_cast<const char*>(version)));
      }
      return out.size() > 0;
    }
  }
  return false;
}

bool SymbolTable::Find(uint64_t address, std::string_view& name, uint64_t& start) noexcept {
  if (address - base_ > UINT32_MAX) return false;  // below it too
  const auto offset = static_cast<uint32_t>(address - base_);
  const KeptArray<Entry>& entries = entries_;
  const Entry* const first = entries.begin();
  const Entry* const next = std::upper_bound(
      first, entries.end(), offset, [](uint32_t value, const Entry& candidate) { return value < candidate.start; });
  if (next == first) return false;
  const Entry* entry = std::lower_bound(first, next, next[-1].start,
                                        [](const Entry& candidate, uint32_t value) { return candidate.start < value; });
  while (offset - entry->start >= entry->length) {
    if (entry->outer == kNone) return false;
    entry = &entries[entry->outer];
  }

  bool found = false;
  bool local = false;
  const Entry* const last = entry + std::min<size_t>(kMaxAliases, static_cast<size_t>(entries.end() - entry));
  for (const Entry* alias = entry; alias < last && alias->start == entry->start; alias++) {
    const bool alias_local = (alias->name & kLocal) != 0;
    if (offset - alias->start >= alias->length || (found && alias_local && !local)) continue;
    if (!ReadName(alias->name, names_[1])) continue;
    const std::string_view best(names_[0].data(), names_[0].size());
    const std::string_view other(names_[1].data(), names_[1].size());
    const bool better = !found || (local && !alias_local) || other.size() < best.size() ||
                        (other.size() == best.size() && other < best);
    if (!better) continue;
    std::swap(names_[0], names_[1]);
    found = true;
    local = alias_local;
  }
  if (!found) return false;
  name = {names_[0].data(), names_[0].size()};
  start = base_ + entry->start;
  return true;
}

}  // namespace tidemark
