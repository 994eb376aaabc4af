// Copies memory out of a process, this one included, through the kernel: what is unmapped meanwhile is then a short
// copy and no SIGSEGV. Takes none of the process's locks but mmap_lock for reading, a block at a time. Sources:
// process_vm_readv(2); proc_pid_mem(5). Both need PTRACE_MODE_ATTACH of another process.
#pragma once

#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>

#include "base/own_mapping.h"
#include "base/unique_fd.h"

namespace tidemark {

// Where pages come from: a process, or a test's image of one.
class PageSource {
 public:
  virtual ~PageSource() = default;

  // Copies from `address` up to what cannot be read, and returns how many bytes that were.
  virtual size_t Read(uint64_t address, void* to, size_t size) noexcept = 0;

  // Copies `size` bytes from each of `count` addresses to `to`, one behind the other, and returns how many could be
  // read before one could not.
  virtual size_t ReadEach(const uint64_t* addresses, size_t count, size_t size, void* to) noexcept = 0;

  // Whether reading the page at `address` would bring nothing in. For single pages: see PageMarker for many.
  virtual bool IsResident(uint64_t address) noexcept = 0;
};

class ProcessMemory final : public PageSource {
 public:
  explicit ProcessMemory(pid_t pid) noexcept;  // 0 is this process

  size_t Read(uint64_t address, void* to, size_t size) noexcept override;
  size_t ReadEach(const uint64_t* addresses, size_t count, size_t size, void* to) noexcept override;
  bool IsResident(uint64_t address) noexcept override;

  // Why nothing can be read at all: an errno (EPERM), or 0. Sandboxes forbid it.
  int error() const noexcept { return error_; }

 private:
  ssize_t Copy(const iovec* from, size_t count, iovec to) noexcept;

  pid_t pid_;     // for /proc, which may be that of another PID namespace: ours is not our number there
  pid_t target_;  // for system calls
  bool is_own_;
  int error_ = 0;
  UniqueFd pagemap_;
  UniqueFd mem_;  // where process_vm_readv is forbidden or missing
};

}  // namespace tidemark
