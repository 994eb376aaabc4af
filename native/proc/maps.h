// Parses the lines that /proc/PID/maps and smaps share:
//   7f0c3a000000-7f0c3a021000 rw-p 00000000 00:00 0          [heap]
// Source: proc_pid_maps(5); fs/proc/task_mmu.c show_vma_header_prefix. The kernel writes a newline inside a name as
// \012.
#pragma once

#include <sys/types.h>

#include <string_view>

#include "base/string_table.h"
#include "proc/proc_file.h"

namespace tidemark {

enum Perms : uint32_t { kRead = 1, kWrite = 2, kExecute = 4, kShared = 8 };

struct MapsLine {
  uint64_t start;
  uint64_t end;
  uint64_t offset;
  uint64_t inode;
  uint32_t perms;
  uint32_t device;        // major << 20 | minor
  std::string_view name;  // without the padding before it; empty for plain anonymous memory
};

// Parses one line, without its newline. False when it does not have the documented form.
bool ParseMapsLine(std::string_view line, MapsLine& out) noexcept;

struct MapsRow {
  uint64_t start;
  uint64_t end;
  uint64_t offset;
  uint64_t inode;
  uint32_t perms;
  uint32_t device;
  uint32_t name;  // in the table's `names`
};

struct MapsTable {
  MappedArray<MapsRow> rows;
  StringTable names;
};

// Appends the rows of `text`, whole lines only (a line without newline is taken as torn and refused when `last`).
// Returns the bytes consumed; `line` counts lines parsed so far, and on failure (error != 0)
// is where it happened.
size_t ParseMaps(std::string_view text, bool last, MapsTable& table, size_t& line, int& error) noexcept;

// Of rows in the order of the file. Between two lines the kernel lets go of the process, and goes on behind the end of
// what it has written: a mapping that has grown or merged meanwhile is written once more. The later line holds.
void DropSuperseded(MappedArray<MapsRow>& rows) noexcept;

// On kernels that walk maps under per-VMA locks (6.11 and later) this stalls no one.
Failure ReadMaps(pid_t pid, MapsTable& table) noexcept;

}  // namespace tidemark
