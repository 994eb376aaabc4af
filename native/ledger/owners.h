// Says what kind of memory each mapping is, from the layout of the address space alone: who asked for an address, what
// lies before and behind. Pure rules over rows sorted by address, in an order in which the first match wins.
//
// The rules and the layouts behind them were measured on Node 20 and 24, x86-64, glibc 2.36. They are coarse in two
// places: what malloc holds but the program has freed is still `malloc`, and so are the Buffers inside it (the caller
// knows how many bytes those are; the address space does not).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/mapped_array.h"

namespace tidemark {

// In the order of src/owners.ts OWNERS.
enum class Owner : uint8_t {
  kJsHeap,
  kJsCode,
  kArrayBuffers,
  kWasm,
  kMalloc,
  kMallocFree,
  kThreadStacks,
  kMmap,
  kProgram,
  kFile,
  kShmem,
  kProfiler,
  kUnexplained,
  kCount
};

struct MappingFacts {
  uint64_t start;
  uint64_t end;
  uint64_t inode;
  uint32_t perms;
  std::string_view name;
  // smaps VmFlags as printed ("rd wr mr mw me nh"); empty where they were not read. They beat guesses from layout.
  std::string_view flags;
  bool malloc_chunk;  // begins with the header of a block that malloc mapped directly
};

struct OwnerRules {
  const AddressRange* own;  // tidemark's own ranges; none for another process
  size_t own_count;
};

// Fills in `owners[i]` for `facts[i]`. The owner of a private file mapping is kProgram for its anonymous part (the
// rest is kFile); kFile where it can have none.
void AssignOwners(const MappingFacts* facts, size_t count, const OwnerRules& rules, Owner* owners) noexcept;

}  // namespace tidemark
