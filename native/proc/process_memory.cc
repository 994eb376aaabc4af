#include "proc/process_memory.h"

#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "proc/proc_file.h"

namespace tidemark {
namespace {

iovec At(uint64_t address, size_t size) noexcept {
  return {reinterpret_cast<void*>(address), size};  // NOLINT(performance-no-int-to-ptr): another process's, perhaps
}

}  // namespace

ProcessMemory::ProcessMemory(pid_t pid) noexcept : pid_(pid == 0 ? getpid() : pid) {
  // An address that no process maps: EFAULT is the kernel's yes, everything else its no.
  char byte;
  const iovec to = {&byte, 1};
  const iovec from = At(0, 1);
  if (process_vm_readv(pid_, &to, 1, &from, 1, 0) >= 0 || errno == EFAULT) return;
  const int refused = errno;
  mem_ = OpenProc(ProcPath(pid, "mem"));
  if (!mem_) error_ = refused;
}

size_t ProcessMemory::Read(uint64_t address, void* to, size_t size) noexcept {
  if (error_ != 0) return 0;
  const iovec local = {to, size};
  const iovec remote = At(address, size);
  const ssize_t got = mem_ ? pread(mem_.get(), to, size, static_cast<off_t>(address))
                           : process_vm_readv(pid_, &local, 1, &remote, 1, 0);
  return got < 0 ? 0 : static_cast<size_t>(got);
}

bool ProcessMemory::IsResident(uint64_t address) noexcept {
  constexpr uint64_t kPresent = uint64_t{1} << 63;  // Documentation/admin-guide/mm/pagemap.rst
  if (!pagemap_) pagemap_ = OpenProc(ProcPath(pid_, "pagemap"));
  uint64_t entry = 0;
  const auto at = static_cast<off_t>(address / PageSize() * sizeof entry);
  return pagemap_ && pread(pagemap_.get(), &entry, sizeof entry, at) == sizeof entry && (entry & kPresent) != 0;
}

size_t ProcessMemory::ReadEach(const uint64_t* addresses, size_t count, size_t size, void* to) noexcept {
  constexpr size_t kBatch = 256;
  static_assert(kBatch <= IOV_MAX);
  char* out = static_cast<char*>(to);
  if (error_ != 0) return 0;
  if (mem_) {
    for (size_t i = 0; i < count; i++) {
      if (Read(addresses[i], out + i * size, size) != size) return i;
    }
    return count;
  }
  iovec remote[kBatch];
  for (size_t done = 0; done < count;) {
    const size_t n = std::min(kBatch, count - done);
    for (size_t i = 0; i < n; i++) remote[i] = At(addresses[done + i], size);
    const iovec local = {out + done * size, n * size};
    const ssize_t got = process_vm_readv(pid_, &local, 1, remote, n, 0);
    const size_t read = got < 0 ? 0 : static_cast<size_t>(got) / size;
    done += read;
    if (read < n) return done;
  }
  return count;
}

}  // namespace tidemark
