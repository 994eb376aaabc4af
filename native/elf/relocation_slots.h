// The words of an object that the loader has filled with the address of a named symbol. A call to malloc goes through
// one of them, and to replace what it holds is to hook that call.
//
// Three relocations make such words: JUMP_SLOT (calls through the PLT), GLOB_DAT (calls and reads through the GOT) and
// the plain 64-bit address (tables of function pointers, as sqlite's). With an addend the word is not the symbol's own
// address, and is left out. IRELATIVE, RELATIVE, RELR and COPY name no symbol or copy data.
// Sources: x86-64 psABI, table "Relocation Types"; AArch64 ELF ABI, "Dynamic relocations".
#pragma once

#include <elf.h>

#include "elf/loaded_objects.h"

namespace tidemark {

#if defined(__x86_64__)
constexpr uint16_t kThisMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr uint16_t kThisMachine = EM_AARCH64;
#else
#error "relocations of this machine are not known"
#endif

enum class SlotKind : uint8_t { kJumpSlot, kGlobDat, kAbsolute };

struct RelocationSlot {
  uintptr_t* address;
  const char* symbol;
  SlotKind kind;
  bool defined_here;  // the object itself defines the symbol
};

struct SlotTypes {
  uint32_t jump_slot;
  uint32_t glob_dat;
  uint32_t absolute;
};

constexpr SlotTypes SlotTypesOf(uint16_t machine) noexcept {
  if (machine == EM_AARCH64) return {R_AARCH64_JUMP_SLOT, R_AARCH64_GLOB_DAT, R_AARCH64_ABS64};
  return {R_X86_64_JUMP_SLOT, R_X86_64_GLOB_DAT, R_X86_64_64};
}

// Reads one relocation of `object`. False when it makes no such word, its symbol has no name, or the word does not lie
// whole and aligned in the object: a store there would tear, or hit what is another's.
template <uint16_t kMachine = kThisMachine>
bool ReadSlot(const LoadedObject& object, const Elf64_Rela& relocation, RelocationSlot& slot) noexcept {
  constexpr SlotTypes kTypes = SlotTypesOf(kMachine);
  const auto type = static_cast<uint32_t>(ELF64_R_TYPE(relocation.r_info));
  if (type == kTypes.jump_slot) {
    slot.kind = SlotKind::kJumpSlot;
  } else if (type == kTypes.glob_dat) {
    slot.kind = SlotKind::kGlobDat;
  } else if (type == kTypes.absolute) {
    slot.kind = SlotKind::kAbsolute;
  } else {
    return false;
  }
  if (relocation.r_addend != 0) return false;

  const size_t index = ELF64_R_SYM(relocation.r_info);
  if (object.symbols == nullptr || index >= object.symbol_limit) return false;
  const Elf64_Sym& symbol = object.symbols[index];
  if (symbol.st_name >= object.strings_size || object.strings[symbol.st_name] == '\0') return false;
  slot.symbol = object.strings + symbol.st_name;
  slot.defined_here = symbol.st_shndx != SHN_UNDEF;

  const uint64_t address = object.bias + relocation.r_offset;
  if (address % sizeof(uintptr_t) != 0 || address < object.start || address >= object.end) return false;
  if (object.end - address < sizeof(uintptr_t)) return false;
  slot.address = reinterpret_cast<uintptr_t*>(address);  // NOLINT(performance-no-int-to-ptr)
  return true;
}

// Visits every such word once, those of the PLT first. Reads the object's own tables: it must be loaded still.
template <uint16_t kMachine = kThisMachine, class Visit>
void ForEachSlot(const LoadedObject& object, Visit&& visit) {
  RelocationSlot slot;
  for (size_t i = 0; i < object.plt_relocation_count; i++) {
    if (ReadSlot<kMachine>(object, object.plt_relocations[i], slot)) visit(slot);
  }
  for (size_t i = 0; i < object.relocation_count; i++) {
    if (ReadSlot<kMachine>(object, object.relocations[i], slot)) visit(slot);
  }
}

}  // namespace tidemark
