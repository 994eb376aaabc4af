// Gives every resident byte of a process an owner. What is left over is `unexplained`, so that the owners sum to RSS.
//
// A light ledger goes by the layout of the address space and the residency of its pages. A whole one also walks
// malloc's memory, to tell live blocks from freed ones and both from what native code has mapped for itself.
#pragma once

#include "allocator/allocator_counters.h"
#include "ledger/glibc_heap.h"
#include "ledger/owners.h"
#include "proc/growth_table.h"
#include "proc/smaps.h"
#include "proc/status.h"

namespace tidemark {

// A malloc arena of glibc: the main one, which begins in the brk heap, or one of threads.
struct ArenaSums {
  uint64_t address;  // of the arena; 0 for the main one
  uint64_t heaps;
  HeapSums sums;
};

struct Ledger {
  double bytes[static_cast<size_t>(Owner::kCount)];
  Usage usage;   // the mean of just before and just after: what the owners sum to
  double moved;  // RSS just after, less RSS just before
  double shmem;
  double swap;
  size_t mappings;
  ResidencySource source;

  Allocator allocator;  // of another process as its libraries tell

  // Of a whole ledger, where malloc is glibc's.
  bool walked;
  MappedArray<ArenaSums> arenas;
  AnonymousSums anonymous;

  // Of a whole ledger of this process, where malloc is another's: what that one says of itself.
  AllocatorCounters counters;

  double cpu_nanos;  // of the calling thread
};

enum class Depth : uint8_t { kLight, kWhole };

// For process `pid`; 0 is this one, whose own ranges are known. False: no memory.
bool AssignGrowthOwners(pid_t pid, const GrowthTable& table, MappedArray<Owner>& owners) noexcept;
// Into the kOwner cell of each row.
bool AssignSmapsOwners(pid_t pid, SmapsTable& table) noexcept;

Failure ReadLedger(pid_t pid, Depth depth, Ledger& ledger) noexcept;

}  // namespace tidemark
