// Parses /proc/PID/smaps into rows of numbers.
//
// A record is the maps line and about 24 field lines. Nearly every field line is "Key:" padded to 16 columns, a number
// right-aligned in 8, and " kB": the order of keys is learnt from the first record, then each line is checked by
// comparing those 16 bytes and read by position (83 ns a record against 300 for a parser that looks keys up). A record
// that differs (a value of 10^8 kB or more pushes its column; a kernel adds a field) is read by key instead, so the
// fast way is never a different answer. Fields this version does not know are passed over.
// Source: proc_pid_smaps(5); fs/proc/task_mmu.c __show_smap, show_smap.
#pragma once

#include <sys/types.h>

#include <string_view>

#include "base/string_table.h"
#include "proc/proc_file.h"

namespace tidemark {

// Cells of a row, in the order that src/seam.ts SMAPS_CELLS names them. Sizes are bytes.
enum SmapsCell : int {
  kStart,
  kEnd,
  kPerms,
  kOffset,
  kDevice,
  kInode,
  kName,
  kFlags,
  kKernelPageSize,
  kMmuPageSize,
  kRss,
  kPss,
  kPssDirty,
  kSharedClean,
  kSharedDirty,
  kPrivateClean,
  kPrivateDirty,
  kReferenced,
  kAnon,
  kKsm,
  kLazyFree,
  kAnonHuge,
  kShmemHuge,
  kFileHuge,
  kSharedHugetlb,
  kPrivateHugetlb,
  kSwap,
  kSwapPss,
  kLocked,
  kThpEligible,
  kProtectionKey,
  kOwner,  // not in smaps: left 0 here for a floor above
  kSmapsCells
};

// Every cell is a double: page addresses up to 2^64 have at most 52 significant bits, so they are exact.
struct SmapsRow {
  double cell[kSmapsCells];
};

struct SmapsTable {
  MappedArray<SmapsRow> rows;
  StringTable names;
  StringTable flags;  // as printed: "rd wr mr mw me ac"
};

class SmapsParser {
 public:
  explicit SmapsParser(SmapsTable& table) noexcept : table_(table) {}

  // Parses the whole records at the front of `text` and returns their length; a record is whole when the next one
  // has begun, or when `last`. Returns -errno on failure: the records before the faulty one stay in the table.
  ssize_t Parse(std::string_view text, bool last) noexcept;

  // After a failure: the number, from 1, of the line that failed (of a torn record, the line that is missing).
  size_t line() const noexcept { return line_; }

 private:
  // A field line of the first record: its 16 key columns and where its number goes.
  struct Known {
    uint64_t key[2];
    int cell;   // -1: passed over
    int scale;  // 1024 for kB lines, 1 for bare numbers
  };
  static constexpr int kMaxKnown = 48;

  const char* ParseFieldsByPosition(const char* p, const char* end, SmapsRow& row) noexcept;
  const char* ParseFieldsByKey(const char* p, const char* end, SmapsRow& row) noexcept;
  bool ParseFlags(std::string_view line, SmapsRow& row) noexcept;
  bool Learn(const char* line, int cell, int scale) noexcept;

  SmapsTable& table_;
  Known known_[kMaxKnown];
  int known_count_ = 0;
  bool learnt_ = false;
  bool out_of_memory_ = false;
  size_t line_ = 1;
};

// Holds the process's mmap lock for the walk, about 15 ns a 4 KiB page: call from a thread that nobody waits for.
Failure ReadSmaps(pid_t pid, SmapsTable& table) noexcept;

}  // namespace tidemark
