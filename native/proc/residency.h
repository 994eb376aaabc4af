// How many bytes of each address range are resident: a tenth of the price of smaps on 4 KiB pages, and no long stall.
//
// Every walk is cut into slices, and a pause follows whenever the slices since the last one have taken kHoldNanos:
// smaps holds the mmap lock for its whole walk (40 ms at 4 GiB, during which every mmap and munmap of the process
// waits), and without the pause a reader takes the lock back before a waiting writer wakes.
// Sources: mincore(2); Documentation/admin-guide/mm/pagemap.rst (PAGEMAP_SCAN since Linux 6.7).
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

#include "base/mapped_array.h"
#include "proc/proc_file.h"
#include "proc/resident_pages.h"

namespace tidemark {

enum class ResidencySource : int { kMincore, kPagemapScan, kPagemap };

// A page-aligned part of a mapping. The counts are in bytes; the reader adds to them.
struct ResidentRange {
  uint64_t start;
  uint64_t end;
  uint64_t anon;
  uint64_t swap;
  bool first_page_resident;
};

using RangeArray = MappedArray<ResidentRange>;

// True when this kernel answers PAGEMAP_SCAN on our own pagemap; asked once.
bool HasPagemapScan() noexcept;

// Fills in the counts of ranges sorted by address: `anonymous` of private anonymous mappings, `cow` of private file
// mappings, where only pages without a file behind them count. Process 0 is this one.
//   this process:  mincore (counts the shared zero page too; knows nothing of swap), and for `cow` as below
//   another:       PAGEMAP_SCAN, else a plain read of pagemap (which counts the zero page too)
// A range that vanishes meanwhile counts 0.
Failure ReadResidency(pid_t pid, RangeArray& anonymous, RangeArray& cow, ResidencySource& used) noexcept;

// Resident bytes of one block of this process; 0 where it is no longer there.
uint64_t OwnResidentBytes(uint64_t address, uint64_t size) noexcept;

// The same page by page.
class PageMarker {
 public:
  explicit PageMarker(pid_t pid) noexcept;

  // Marks and seals `pages`, which was reset to some part of the address space. What of it is no longer mapped holds
  // nothing, and is no failure.
  Failure Mark(ResidentPages& pages) noexcept;

 private:
  ProcPath path_;
  UniqueFd pagemap_;
  int no_pagemap_;  // an errno, or 0
  bool is_own_;
};

}  // namespace tidemark
