// What this process runs on, and its C library's counters, found by name at run time because one binary serves all.
#pragma once

namespace tidemark {

// Bytes. `in_use` includes blocks mapped directly (`mapped`); `free` is held inside the arenas, resident or not.
struct MallocInfo {
  double in_use;
  double free;
  double arenas;
  double mapped;
};

// mallinfo2(3), glibc 2.33 and later. Walks every free chunk under its arena's lock: 44 ms with 500,000 of them.
// False where the allocator is another one: glibc's counters are then zeros that mean nothing.
bool ReadMallocInfo(MallocInfo& info) noexcept;

}  // namespace tidemark
