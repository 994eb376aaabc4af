#include "proc/proc_file.h"

#include <fcntl.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace tidemark {

ProcPath::ProcPath(pid_t pid, const char* name) noexcept {
  if (pid == 0) {
    snprintf(text, sizeof text, "/proc/self/%s", name);
  } else {
    snprintf(text, sizeof text, "/proc/%d/%s", static_cast<int>(pid), name);
  }
}

Failure FailureAt(const ProcPath& path, int error, size_t line) noexcept {
  Failure failure;
  failure.error = error;
  failure.line = line;
  static_assert(sizeof failure.what == sizeof path.text);
  std::memcpy(failure.what, path.text, sizeof failure.what);
  return failure;
}

UniqueFd OpenProc(const ProcPath& path) noexcept { return UniqueFd(open(path.text, O_RDONLY | O_CLOEXEC)); }

ssize_t ReadSmall(int fd, char* buffer, size_t capacity) noexcept {
  size_t n = 0;
  while (n < capacity) {
    const ssize_t got = pread(fd, buffer + n, capacity - n, static_cast<off_t>(n));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return -errno;
    if (got == 0) break;
    n += static_cast<size_t>(got);
  }
  return static_cast<ssize_t>(n);
}

}  // namespace tidemark
