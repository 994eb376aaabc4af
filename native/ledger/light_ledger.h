// Gives the rows of a table their owners, and sums them: resident bytes that add up to RSS, `unexplained` being what is
// left over.
#pragma once

#include "ledger/owners.h"
#include "proc/growth_table.h"
#include "proc/smaps.h"
#include "proc/status.h"

namespace tidemark {

struct LightLedger {
  double bytes[static_cast<size_t>(Owner::kCount)];
  Usage usage;  // the mean of just before and just after: what the owners sum to
  double shmem;
  double swap;
  size_t mappings;
  ResidencySource source;
};

// For process `pid`; 0 is this one, whose own ranges are known. False: no memory.
bool AssignGrowthOwners(pid_t pid, const GrowthTable& table, MappedArray<Owner>& owners) noexcept;
// Into the kOwner cell of each row.
bool AssignSmapsOwners(pid_t pid, SmapsTable& table) noexcept;

Failure ReadLightLedger(pid_t pid, LightLedger& ledger) noexcept;

}  // namespace tidemark
