// The ELF objects that the loader has in memory, as the rest of the profiler needs them: where they lie, where their
// relocations and unwind data are, and which build they are.
//
// Nothing is taken on trust: an address from a program header or the dynamic section is kept only if what it points at
// lies in a readable load segment of the object, so that who reads it later need not ask. An object in which something
// is odd is listed all the same, with nulls in place of it.
// Sources: dl_iterate_phdr(3); ELF gABI "Program Header", "Dynamic Section"; glibc elf/dl-reloc.c (_dl_protect_relro).
#pragma once

#include <link.h>

#include "base/string_table.h"
#include "elf/build_id.h"

namespace tidemark {

enum ObjectKind : uint8_t { kExecutable, kLibrary, kLoader, kVdso };

struct LoadedObject {
  uint64_t bias;                      // what symbol values and relocation offsets are relative to
  uint64_t start, end;                // lowest and highest address of its load segments; 0, 0 when none
  uint64_t text_start, text_end;      // from the first to the last byte of executable segments; 0, 0 when none
  uint64_t eh_frame_hdr;              // address of PT_GNU_EH_FRAME; 0 when none
  uint64_t relro_start, relro_end;    // whole pages that the loader made read-only after relocation; 0, 0 when none
  const Elf64_Sym* symbols;           // DT_SYMTAB; null unless `strings` is there too
  const char* strings;                // DT_STRTAB, its last byte a NUL; null unless `symbols` is there too
  uint64_t strings_size;              // bytes
  const Elf64_Rela* plt_relocations;  // DT_JMPREL
  size_t plt_relocation_count;
  const Elf64_Rela* relocations;  // DT_RELA, without what DT_JMPREL repeats
  size_t relocation_count;
  uint32_t name;          // in ObjectList::names; the executable's is the target of /proc/self/exe
  uint8_t kind;           // ObjectKind
  uint8_t build_id_size;  // 0 when it has none
  uint8_t build_id[kBuildIdBytes];
  size_t symbol_limit;  // symbols that fit into the segment that holds them: their number is written nowhere
};

struct ObjectList {
  MappedArray<LoadedObject> objects;  // in the loader's order: the executable comes first
  StringTable names;
  uint64_t changes = 0;  // ObjectChanges() when they were listed
};

// Replaces what is in the list. False when memory has run out. Takes the loader's lock: never inside a hook.
bool ListObjects(ObjectList& list) noexcept;

// Grows with every object that is loaded or unloaded, so that an equal number means an unchanged list. Takes the
// loader's lock for a moment: never inside a hook.
uint64_t ObjectChanges() noexcept;

// What dl_iterate_phdr says of one object, checked; all but `name` and `kind`.
void DescribeObject(const dl_phdr_info& info, LoadedObject& object) noexcept;

}  // namespace tidemark
