// Swap and shared memory of a process from /proc/PID/status: seven times the price of statm, so read on demand.
// Source: proc_pid_status(5); RssShmem since Linux 4.5.
#pragma once

#include <sys/types.h>

#include <string_view>

#include "proc/proc_file.h"

namespace tidemark {

// Bytes; a field that the kernel does not print is 0.
struct MemoryStatus {
  double shmem;
  double swap;
};

void ParseStatus(std::string_view text, MemoryStatus& status) noexcept;
Failure ReadStatus(pid_t pid, MemoryStatus& status) noexcept;

}  // namespace tidemark
