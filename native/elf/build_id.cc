#include "elf/build_id.h"

#include <elf.h>

#include <algorithm>
#include <cstring>

namespace tidemark {

size_t FindBuildId(const void* notes, size_t size, uint64_t alignment, uint8_t (&out)[kBuildIdBytes]) noexcept {
  const char* const bytes = static_cast<const char*>(notes);
  const size_t mask = alignment == 8 ? 7 : 3;
  size_t at = 0;
  while (size - at >= sizeof(Elf64_Nhdr)) {
    Elf64_Nhdr note;
    std::memcpy(&note, bytes + at, sizeof note);
    at += sizeof note;
    // Both sizes have 32 bits: the sums cannot overflow.
    const size_t description = (at + note.n_namesz + mask) & ~mask;
    if (description > size || note.n_descsz > size - description) return 0;
    if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && std::memcmp(bytes + at, "GNU", 4) == 0) {
      const size_t kept = std::min<size_t>(note.n_descsz, kBuildIdBytes);
      std::memcpy(out, bytes + description, kept);
      return kept;
    }
    // The last note may end without its padding.
    at = std::min((description + note.n_descsz + mask) & ~mask, size);
  }
  return 0;
}

}  // namespace tidemark
