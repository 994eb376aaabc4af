#include "ledger/bss.h"

#include <elf.h>

#include <cstring>

namespace tidemark {

uint64_t EndOfBss(const void* image, size_t size, uint64_t base, uint64_t data_end, uint64_t page) noexcept {
  Elf64_Ehdr header;
  if (size < sizeof header) return 0;
  std::memcpy(&header, image, sizeof header);
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
      header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phoff > size ||
      header.e_phnum > (size - header.e_phoff) / sizeof(Elf64_Phdr)) {
    return 0;
  }
  const auto up = [page](uint64_t address) { return (address + page - 1) / page * page; };
  uint64_t bias = 0;
  bool first = true;
  for (size_t i = 0; i < header.e_phnum; i++) {
    Elf64_Phdr segment;
    std::memcpy(&segment, static_cast<const char*>(image) + header.e_phoff + i * sizeof segment, sizeof segment);
    if (segment.p_type != PT_LOAD) continue;
    // Segments come in order of address, and the one that holds the header comes first.
    if (first) bias = base - segment.p_vaddr / page * page;
    first = false;
    const uint64_t start = bias + segment.p_vaddr;
    if (up(start + segment.p_filesz) == data_end && segment.p_memsz > segment.p_filesz)
      return up(start + segment.p_memsz);
  }
  return 0;
}

}  // namespace tidemark
