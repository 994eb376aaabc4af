#include "ledger/light_ledger.h"

#include <algorithm>
#include <cerrno>

namespace tidemark {

namespace {

// `fact(i)` is the i-th mapping.
template <class Fact>
bool Assign(pid_t pid, size_t count, Fact&& fact, MappedArray<Owner>& owners) noexcept {
  MappedArray<MappingFacts> facts;
  if (count == 0) return true;
  if (facts.Append(count) == nullptr || owners.Append(count) == nullptr) return false;
  for (size_t i = 0; i < count; i++) facts[i] = fact(i);
  AddressRange own[64];
  const OwnerRules rules = {own, pid == 0 ? OwnRanges(own, 64) : 0};
  AssignOwners(facts.data(), count, rules, owners.data());
  return true;
}

}  // namespace

bool AssignGrowthOwners(pid_t pid, const GrowthTable& table, MappedArray<Owner>& owners) noexcept {
  const auto fact = [&](size_t i) -> MappingFacts {
    const GrowthRow& row = table.rows[i];
    return {row.map.start,   row.map.end, row.map.inode, row.map.perms, table.names.At(row.map.name), {},
            row.malloc_chunk};
  };
  return Assign(pid, table.rows.size(), fact, owners);
}

bool AssignSmapsOwners(pid_t pid, SmapsTable& table) noexcept {
  MappedArray<Owner> owners;
  const auto fact = [&](size_t i) -> MappingFacts {
    const double* cell = table.rows[i].cell;
    const auto string = [](const StringTable& strings, double id) {
      return id < static_cast<double>(strings.size()) ? strings.At(static_cast<size_t>(id)) : std::string_view();
    };
    return {static_cast<uint64_t>(cell[kStart]), static_cast<uint64_t>(cell[kEnd]), static_cast<uint64_t>(cell[kInode]),
            static_cast<uint32_t>(cell[kPerms]), string(table.names, cell[kName]), string(table.flags, cell[kFlags]),
            // smaps does not look inside; large blocks of malloc are far more common than other direct mappings
            true};
  };
  if (!Assign(pid, table.rows.size(), fact, owners)) return false;
  for (size_t i = 0; i < owners.size(); i++) table.rows[i].cell[kOwner] = static_cast<double>(owners[i]);
  return true;
}

Failure ReadLightLedger(pid_t pid, LightLedger& ledger) noexcept {
  GrowthTable table;
  Failure failure = ReadGrowthTable(pid, table);
  if (failure) return failure;
  MemoryStatus status;
  failure = ReadStatus(pid, status);
  if (failure) return failure;
  MappedArray<Owner> owners;
  if (!AssignGrowthOwners(pid, table, owners)) return FailureAt(ProcPath(pid, "maps"), ENOMEM);

  ledger = {};
  ledger.usage = {(table.before.rss + table.after.rss) / 2, (table.before.anon + table.after.anon) / 2,
                  (table.before.file + table.after.file) / 2};
  ledger.shmem = std::min(status.shmem, ledger.usage.file);
  ledger.swap = status.swap;
  ledger.mappings = table.rows.size();
  ledger.source = table.source;

  const auto of = [&](Owner owner) -> double& { return ledger.bytes[static_cast<size_t>(owner)]; };
  double sum = 0;
  for (size_t i = 0; i < table.rows.size(); i++) {
    // Pages of files and of shared memory are known in total only; a copied page of a memfd is anonymous all the same.
    const Owner owner = owners[i] == Owner::kFile || owners[i] == Owner::kShmem ? Owner::kProgram : owners[i];
    of(owner) += static_cast<double>(table.rows[i].anon);
    sum += static_cast<double>(table.rows[i].anon);
  }
  of(Owner::kFile) = ledger.usage.file - ledger.shmem;
  of(Owner::kShmem) = ledger.shmem;
  of(Owner::kUnexplained) = ledger.usage.rss - ledger.usage.file - sum;
  return {};
}

}  // namespace tidemark
