// The cheap table: every mapping, with the resident bytes of its anonymous memory. What the periodic reading is made
// of.
#pragma once

#include <sys/types.h>

#include "base/mapped_array.h"
#include "proc/maps.h"
#include "proc/residency.h"
#include "proc/statm.h"

namespace tidemark {

struct GrowthRow {
  MapsRow map;
  // Resident bytes with no file behind them; for file mappings only where they are private and can have been written.
  uint64_t anon;
  uint64_t swap;
  // The mapping begins with the header of a block that malloc mapped directly.
  bool malloc_chunk;
};

struct GrowthTable {
  MappedArray<GrowthRow> rows;
  StringTable names;
  ResidencySource source;
  // Of the whole process just before and just after, so that what moved meanwhile is known.
  Usage before;
  Usage after;
};

// Empty for a process without memory of its own.
Failure ReadGrowthTable(pid_t pid, GrowthTable& table) noexcept;

}  // namespace tidemark
