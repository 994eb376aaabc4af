// The build id: the linker's fingerprint of what it made, the same in the file and in the loaded object.
//
// Names looked up in a file that was replaced since it was loaded (a deploy under a running service) are wrong without
// looking wrong; equal build ids are what makes a file's symbols those of the code in memory.
// Source: ELF gABI "Note Section"; ld --build-id.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tidemark {

// 20 (SHA-1) is what linkers write; of a longer one, which ld takes from its command line, the first 32 are kept.
constexpr size_t kBuildIdBytes = 32;

// Looks for it among the notes of one segment, aligned as the segment is (PT_NOTE's p_align; what is not 8 counts as
// 4). Returns its size in `out`; 0 when the notes hold none or are damaged before it.
size_t FindBuildId(const void* notes, size_t size, uint64_t alignment, uint8_t (&out)[kBuildIdBytes]) noexcept;

}  // namespace tidemark
