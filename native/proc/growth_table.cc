#include "proc/growth_table.h"

#include <algorithm>
#include <cerrno>
#include <string_view>

#include "proc/mapped_block.h"
#include "proc/process_memory.h"

namespace tidemark {
namespace {

// [vsyscall] lies at the top of the address space: a slice of it wraps to 0 and a walk would never end. No user
// mapping of x86-64 or arm64 (four-level or 52-bit) reaches this.
constexpr uint64_t kEndOfUserSpace = uint64_t{1} << 56;

bool IsPrivate(const MapsRow& row) { return (row.perms & kShared) == 0 && row.end <= kEndOfUserSpace; }

// [vdso], [vvar] and the like: the kernel's own pages, which count in nobody's RSS, and which mincore calls resident.
bool IsKernels(std::string_view name) {
  return name.starts_with('[') && name != "[heap]" && !name.starts_with("[stack") && !name.starts_with("[anon");
}

// Anonymous memory that can hold pages. PROT_NONE reserves (a wasm memory's is 8 GiB) are left out: walking one costs
// as much as walking a full one, and what was touched before the protection went is rare.
bool HoldsAnonymousPages(const MapsRow& row, std::string_view name) {
  return IsPrivate(row) && row.inode == 0 && (row.perms & (kRead | kWrite | kExecute)) != 0 && !IsKernels(name);
}

// Private pages of a file: written data, and relocated read-only data, which ends where written data begins.
bool HoldsCopiedPages(const MappedArray<MapsRow>& rows, size_t i) {
  const MapsRow& row = rows[i];
  if (!IsPrivate(row) || row.inode == 0) return false;
  if ((row.perms & kWrite) != 0) return true;
  const bool before_data = i + 1 < rows.size() && rows[i + 1].inode == row.inode && (rows[i + 1].perms & kWrite) != 0;
  return before_data && (row.perms & kExecute) == 0;
}

// Of the mappings in `which`, whose first pages are resident: RSS does not move.
void FindMappedChunks(pid_t pid, const MappedArray<uint32_t>& which, MappedArray<GrowthRow>& rows) noexcept {
  constexpr size_t kBatch = 256;
  uint64_t addresses[kBatch];
  ChunkHeader headers[kBatch];
  ProcessMemory memory(pid);
  if (memory.error() != 0) return;  // not permitted: no chunk is known
  for (size_t done = 0; done < which.size();) {
    const size_t n = std::min(kBatch, which.size() - done);
    for (size_t i = 0; i < n; i++) addresses[i] = rows[which[done + i]].map.start;
    const size_t read = memory.ReadEach(addresses, n, sizeof(ChunkHeader), headers);
    for (size_t i = 0; i < read; i++) {
      GrowthRow& row = rows[which[done + i]];
      row.malloc_chunk = MappedBlock(headers[i], row.map.start, row.map.start, row.map.end).end != 0;
    }
    done += read == n ? n : read + 1;  // step over the one that vanished
  }
}

}  // namespace

Failure ReadGrowthTable(pid_t pid, GrowthTable& table) noexcept {
  Failure failure = ReadUsage(pid, table.before);
  if (failure) return failure;
  MapsTable maps;
  failure = ReadMaps(pid, maps);
  if (failure) return failure;
  if (maps.rows.size() == 0) return {};  // a kernel thread: it has no pagemap to ask

  RangeArray anonymous;
  RangeArray cow;
  MappedArray<uint32_t> anonymous_rows;
  MappedArray<uint32_t> cow_rows;
  const auto add = [&](RangeArray& ranges, MappedArray<uint32_t>& rows, size_t i) {
    ResidentRange* range = ranges.Append();
    uint32_t* row = rows.Append();
    if (range == nullptr || row == nullptr) return false;
    *range = {maps.rows[i].start, maps.rows[i].end, 0, 0, false};
    *row = static_cast<uint32_t>(i);
    return true;
  };
  const ProcPath path(pid, "maps");
  for (size_t i = 0; i < maps.rows.size(); i++) {
    GrowthRow* row = table.rows.Append();
    if (row == nullptr) return FailureAt(path, ENOMEM);
    *row = {maps.rows[i], 0, 0, false};
    bool added = true;
    if (HoldsAnonymousPages(maps.rows[i], maps.names.At(maps.rows[i].name))) added = add(anonymous, anonymous_rows, i);
    if (HoldsCopiedPages(maps.rows, i)) added = add(cow, cow_rows, i);
    if (!added) return FailureAt(path, ENOMEM);
  }

  failure = ReadResidency(pid, anonymous, cow, table.source);
  if (failure) return failure;
  size_t resident_at_start = 0;
  for (size_t i = 0; i < anonymous.size(); i++) {
    GrowthRow& row = table.rows[anonymous_rows[i]];
    row.anon = anonymous[i].anon;
    row.swap = anonymous[i].swap;
    const bool may_be_block = maps.names.At(row.map.name).empty() && row.map.perms == (kRead | kWrite);
    if (may_be_block && anonymous[i].first_page_resident) anonymous_rows[resident_at_start++] = anonymous_rows[i];
  }
  for (size_t i = 0; i < cow.size(); i++) {
    table.rows[cow_rows[i]].anon = cow[i].anon;
    table.rows[cow_rows[i]].swap = cow[i].swap;
  }
  anonymous_rows.Shrink(anonymous_rows.size() - resident_at_start);
  FindMappedChunks(pid, anonymous_rows, table.rows);
  table.names = std::move(maps.names);
  failure = ReadUsage(pid, table.after);
  // It has ended and waits for its parent: what was read above is the part that was there still.
  if (!failure && table.after.rss == 0) failure = FailureAt(path, ESRCH);
  return failure;
}

}  // namespace tidemark
