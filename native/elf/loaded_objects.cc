#include "elf/loaded_objects.h"

#include <sys/auxv.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstring>

#include "base/own_mapping.h"

namespace tidemark {
namespace {

const Elf64_Phdr* begin(const dl_phdr_info& info) { return info.dlpi_phdr; }
const Elf64_Phdr* end(const dl_phdr_info& info) { return info.dlpi_phdr + info.dlpi_phnum; }

// The readable bytes from `address` to the end of the load segment that holds it; 0 when none does.
uint64_t BytesAt(const dl_phdr_info& info, uint64_t address) {
  for (const Elf64_Phdr* header = begin(info); header != end(info); header++) {
    if (header->p_type != PT_LOAD || (header->p_flags & PF_R) == 0) continue;
    const uint64_t first = info.dlpi_addr + header->p_vaddr;
    const uint64_t last = first + header->p_memsz;  // before `first` when it wraps: then it holds nothing
    if (address >= first && address < last) return last - address;
  }
  return 0;
}

void DescribeSegments(const dl_phdr_info& info, LoadedObject& object) {
  uint64_t start = UINT64_MAX;
  uint64_t text_start = UINT64_MAX;
  for (const Elf64_Phdr* header = begin(info); header != end(info); header++) {
    if (header->p_type != PT_LOAD || header->p_memsz == 0) continue;
    const uint64_t first = info.dlpi_addr + header->p_vaddr;
    const uint64_t last = first + header->p_memsz;
    if (last < first) continue;
    start = std::min(start, first);
    object.end = std::max(object.end, last);
    if ((header->p_flags & PF_X) == 0) continue;
    text_start = std::min(text_start, first);
    object.text_end = std::max(object.text_end, last);
  }
  if (object.end != 0) object.start = start;
  if (object.text_end != 0) object.text_start = text_start;
}

// The loader protects whole pages from the one that RELRO begins in, and not the one that it ends in.
void DescribeRelro(const dl_phdr_info& info, const Elf64_Phdr& header, LoadedObject& object) {
  const uint64_t first = info.dlpi_addr + header.p_vaddr;
  if (header.p_memsz > BytesAt(info, first)) return;
  const uint64_t page = PageSize() - 1;
  const uint64_t start = first & ~page;
  const uint64_t end = (first + header.p_memsz) & ~page;
  if (start >= end) return;
  object.relro_start = start;
  object.relro_end = end;
}

// glibc replaces the addresses in the dynamic section by those in memory; musl does not, nor glibc in the vdso.
uint64_t InMemory(const LoadedObject& object, uint64_t value) {
  return value >= object.start && value < object.end ? value : object.bias + value;
}

// `bytes` bytes of `T`s at `address`; null, and no count, unless they lie in a segment whole and aligned.
template <class T>
const T* TableAt(const dl_phdr_info& info, uint64_t address, uint64_t bytes, size_t& count) {
  count = 0;
  if (address % alignof(T) != 0 || bytes > BytesAt(info, address) || bytes < sizeof(T)) return nullptr;
  count = bytes / sizeof(T);
  return reinterpret_cast<const T*>(address);  // NOLINT(performance-no-int-to-ptr)
}

struct Dynamic {
  uint64_t symbols, symbol_bytes, strings, string_bytes;
  uint64_t relocations, relocation_bytes, relocation_size;
  uint64_t plt_relocations, plt_relocation_bytes, plt_relocation_type;
};

void DescribeDynamic(const dl_phdr_info& info, const Elf64_Phdr& header, LoadedObject& object) {
  size_t count;
  const auto* entry = TableAt<Elf64_Dyn>(info, info.dlpi_addr + header.p_vaddr, header.p_memsz, count);
  Dynamic dynamic = {};
  for (; count > 0 && entry->d_tag != DT_NULL; count--, entry++) {
    const uint64_t value = entry->d_un.d_val;
    switch (entry->d_tag) {
      case DT_SYMTAB:
        dynamic.symbols = InMemory(object, value);
        break;
      case DT_SYMENT:
        dynamic.symbol_bytes = value;
        break;
      case DT_STRTAB:
        dynamic.strings = InMemory(object, value);
        break;
      case DT_STRSZ:
        dynamic.string_bytes = value;
        break;
      case DT_RELA:
        dynamic.relocations = InMemory(object, value);
        break;
      case DT_RELASZ:
        dynamic.relocation_bytes = value;
        break;
      case DT_RELAENT:
        dynamic.relocation_size = value;
        break;
      case DT_JMPREL:
        dynamic.plt_relocations = InMemory(object, value);
        break;
      case DT_PLTRELSZ:
        dynamic.plt_relocation_bytes = value;
        break;
      case DT_PLTREL:
        dynamic.plt_relocation_type = value;
        break;
      default:
        break;
    }
  }

  size_t string_count;
  const char* const strings = TableAt<char>(info, dynamic.strings, dynamic.string_bytes, string_count);
  size_t symbol_limit;
  const auto* const symbols = TableAt<Elf64_Sym>(info, dynamic.symbols, BytesAt(info, dynamic.symbols), symbol_limit);
  if (strings == nullptr || symbols == nullptr) return;
  if (strings[string_count - 1] != '\0' || dynamic.symbol_bytes != sizeof(Elf64_Sym)) return;
  object.strings = strings;
  object.strings_size = string_count;
  object.symbols = symbols;
  object.symbol_limit = symbol_limit;

  if (dynamic.plt_relocation_type == DT_RELA) {
    object.plt_relocations =
        TableAt<Elf64_Rela>(info, dynamic.plt_relocations, dynamic.plt_relocation_bytes, object.plt_relocation_count);
  }
  if (dynamic.relocation_size != sizeof(Elf64_Rela)) return;
  // Some linkers count the PLT's relocations, which come last, to the others too. Seen twice, a slot that was replaced
  // at first sight would be taken for what the loader left there at the second.
  const uint64_t end = dynamic.relocations + dynamic.relocation_bytes;
  if (object.plt_relocations != nullptr && end == dynamic.plt_relocations + dynamic.plt_relocation_bytes &&
      dynamic.relocation_bytes >= dynamic.plt_relocation_bytes) {
    dynamic.relocation_bytes -= dynamic.plt_relocation_bytes;
  }
  object.relocations =
      TableAt<Elf64_Rela>(info, dynamic.relocations, dynamic.relocation_bytes, object.relocation_count);
}

// Where the loader says it is itself, to debuggers and so to everyone (AT_BASE is 0 when it was started by hand as
// `ld.so program`); 0 when it does not say.
uint64_t LoaderBase(const dl_phdr_info& executable) {
  for (const Elf64_Phdr* header = begin(executable); header != end(executable); header++) {
    if (header->p_type != PT_DYNAMIC) continue;
    size_t count;
    const auto* entry = TableAt<Elf64_Dyn>(executable, executable.dlpi_addr + header->p_vaddr, header->p_memsz, count);
    for (; count > 0 && entry->d_tag != DT_NULL; count--, entry++) {
      if (entry->d_tag != DT_DEBUG || entry->d_un.d_ptr == 0) continue;
      return reinterpret_cast<const r_debug*>(entry->d_un.d_ptr)->r_ldbase;  // NOLINT(performance-no-int-to-ptr)
    }
  }
  return 0;
}

struct Listing {
  ObjectList& list;
  uint64_t loader;
  uint64_t vdso;
  bool complete;
};

uint32_t NameOf(const dl_phdr_info& info, bool executable, StringTable& names) {
  char target[PATH_MAX];
  if (executable) {
    const ssize_t length = readlink("/proc/self/exe", target, sizeof target);
    if (length > 0) return names.Intern({target, static_cast<size_t>(length)});
  }
  return names.Intern(info.dlpi_name == nullptr ? "" : info.dlpi_name);
}

int AddObject(dl_phdr_info* info, size_t, void* data) {
  Listing& listing = *static_cast<Listing*>(data);
  const bool first = listing.list.objects.size() == 0;
  if (first) {
    listing.loader = LoaderBase(*info);
    listing.list.changes = info->dlpi_adds + info->dlpi_subs;
  }
  LoadedObject object;
  DescribeObject(*info, object);
  const auto holds = [&object](uint64_t address) { return address >= object.start && address < object.end; };
  if (first) {
    object.kind = kExecutable;
  } else if (listing.vdso != 0 && holds(listing.vdso)) {
    object.kind = kVdso;
  } else if (listing.loader != 0 && holds(listing.loader)) {
    object.kind = kLoader;
  } else {
    object.kind = kLibrary;
  }
  object.name = NameOf(*info, first, listing.list.names);
  LoadedObject* row = listing.list.objects.Append();
  listing.complete = row != nullptr && object.name != StringTable::kFull;
  if (!listing.complete) return 1;
  *row = object;
  return 0;
}

}  // namespace

void DescribeObject(const dl_phdr_info& info, LoadedObject& object) noexcept {
  object = LoadedObject{};
  object.bias = info.dlpi_addr;
  DescribeSegments(info, object);
  for (const Elf64_Phdr* header = begin(info); header != end(info); header++) {
    const uint64_t address = info.dlpi_addr + header->p_vaddr;
    switch (header->p_type) {
      case PT_GNU_EH_FRAME:
        if (header->p_memsz <= BytesAt(info, address)) object.eh_frame_hdr = address;
        break;
      case PT_GNU_RELRO:
        DescribeRelro(info, *header, object);
        break;
      case PT_DYNAMIC:
        DescribeDynamic(info, *header, object);
        break;
      case PT_NOTE:
        if (object.build_id_size == 0 && header->p_memsz <= BytesAt(info, address)) {
          const auto* notes = reinterpret_cast<const void*>(address);  // NOLINT(performance-no-int-to-ptr)
          const size_t size = FindBuildId(notes, header->p_memsz, header->p_align, object.build_id);
          object.build_id_size = static_cast<uint8_t>(size);
        }
        break;
      default:
        break;
    }
  }
}

bool ListObjects(ObjectList& list) noexcept {
  list = ObjectList();
  Listing listing = {list, 0, getauxval(AT_SYSINFO_EHDR), false};
  dl_iterate_phdr(AddObject, &listing);
  return listing.complete;
}

uint64_t ObjectChanges() noexcept {
  uint64_t changes = 0;
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* out) {
        *static_cast<uint64_t*>(out) = info->dlpi_adds + info->dlpi_subs;
        return 1;
      },
      &changes);
  return changes;
}

}  // namespace tidemark
