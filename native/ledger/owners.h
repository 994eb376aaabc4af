// Says what kind of memory each mapping is, from the layout of the address space alone: who asked for an address, what
// lies before and behind. Pure rules over rows sorted by address, in an order in which the first match wins.
//
// The rules and the layouts behind them were measured on Node 20 and 24, x86-64, glibc 2.36. They are coarse where
// malloc's memory is: what the program has freed is still `malloc` here, a mapping is malloc's or not as its first page
// says, and Buffers are malloc's too. `Pool` says where to look closer (glibc_heap.h).
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

// In which way a mapping may hold memory of malloc, and of others beside it.
enum class Pool : uint8_t {
  kNone,
  kBrkHeap,
  kArenaHeaps,  // of thread arenas, at each multiple of kArenaHeapBytes
  kBss,         // anonymous behind the writable data of a binary, whose .bss it begins with
  kAnonymous,
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
  // Of threads, any order; none where they are not known, or where the kernel merges stacks with what lies behind.
  const uint64_t* stack_pointers = nullptr;
  size_t stack_pointer_count = 0;
  // Known to run V8; else it does if its program or a library has a name of those that do. A program that brings its
  // Node along has a name of its own.
  bool has_v8 = false;
};

// Whether there is a mapping that may be a thread's stack and that layout alone does not decide.
bool WantsStackPointers(const MappingFacts* facts, size_t count, const OwnerRules& rules) noexcept;

// Fills in `owners[i]` for `facts[i]`. The owner of a private file mapping is kProgram for its anonymous part (the
// rest is kFile); kFile where it can have none. `pools` may be null.
void AssignOwners(const MappingFacts* facts, size_t count, const OwnerRules& rules, Owner* owners,
                  Pool* pools = nullptr) noexcept;

}  // namespace tidemark
