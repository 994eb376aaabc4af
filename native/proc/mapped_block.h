// Knows a block that glibc's malloc mapped by itself by the header at its front.
//
// A header is the size of what comes before it, then its own with three flag bits, of which that of a mapped block has
// exactly IS_MMAPPED. Before it lies what memalign did not need; the first word says how much that is.
// Up to glibc 2.42 the size reaches to the end of the mapping. Since 2.43 it ends 16 bytes before, as if one more
// header came there, and the lowest bit of the first word marks huge pages.
// Source: glibc malloc/malloc.c (sysmalloc_mmap, _int_memalign; mmap_set_chunk and mmap_size since 2.43).
#pragma once

#include <cstdint>

#include "base/own_mapping.h"

namespace tidemark {

struct ChunkHeader {
  uint64_t previous;
  uint64_t size;
};

// The block whose header lies at `chunk`, all of it within the pages [start, end); empty where `header` is that of
// none.
inline AddressRange MappedBlock(const ChunkHeader& header, uint64_t chunk, uint64_t start, uint64_t end) noexcept {
  constexpr uint64_t kFlags = 7;
  constexpr uint64_t kIsMmapped = 2;
  constexpr uint64_t kHugePages = 1;
  const uint64_t page = PageSize();
  const uint64_t size = header.size & ~kFlags;
  if ((header.size & kFlags) != kIsMmapped || size == 0 || size > end - chunk) return {};
  const auto block = [&](uint64_t unused, uint64_t length) -> AddressRange {
    const bool fits = unused <= chunk - start && length <= end - chunk;
    return fits && (chunk - unused) % page == 0 && (chunk + length) % page == 0
               ? AddressRange{chunk - unused, chunk + length}
               : AddressRange{};
  };
  const AddressRange whole = block(header.previous, size);
  return whole.end != 0 ? whole : block(header.previous & ~kHugePages, size + sizeof header);
}

}  // namespace tidemark
