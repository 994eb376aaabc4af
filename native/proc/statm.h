// Resident memory of a process from /proc/PID/statm: the cheapest current reading that Linux has.
// Source: proc_pid_statm(5). The counters are approximate by a batch of pages per CPU since Linux 6.2.
#pragma once

#include <sys/types.h>

#include <string_view>

#include "proc/proc_file.h"

namespace tidemark {

// Bytes. `file` counts file-backed and shmem pages; `anon` is the rest of `rss`.
struct Usage {
  double rss;
  double anon;
  double file;
};

// Parses the text of statm; false when it does not begin with three numbers.
bool ParseStatm(std::string_view text, Usage& usage) noexcept;

// Of this process, through a descriptor that is kept (one pread) and opened anew after fork. 0 or errno. Thread-safe.
int ReadOwnUsage(Usage& usage) noexcept;

// Of process `pid`, 0 being this one; opens and closes.
Failure ReadUsage(pid_t pid, Usage& usage) noexcept;

// Whether the kept descriptor can be kept: see wipe_on_fork.h.
bool KeepsDescriptor() noexcept;

}  // namespace tidemark
