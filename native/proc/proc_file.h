// Opens and reads files of /proc/PID, and says which one failed and why.
#pragma once

#include <sys/types.h>

#include <cstddef>

#include "base/unique_fd.h"

namespace tidemark {

// What went wrong: errno 0 is success. `line` is the line of text that could not be parsed, from 1; else 0.
struct Failure {
  int error = 0;
  size_t line = 0;
  char what[64] = {};

  explicit operator bool() const noexcept { return error != 0; }
};

// For text that does not have the form the kernel documents.
constexpr int kBadFormat = 74;  // EBADMSG

// "/proc/self/NAME" for pid 0, else "/proc/PID/NAME".
struct ProcPath {
  ProcPath(pid_t pid, const char* name) noexcept;
  char text[64];
};

Failure FailureAt(const ProcPath& path, int error, size_t line = 0) noexcept;

// Opens read-only and close-on-exec; an invalid descriptor leaves errno set.
UniqueFd OpenProc(const ProcPath& path) noexcept;

// Reads the whole of a small file into `buffer`; returns bytes read, or -errno.
ssize_t ReadSmall(int fd, char* buffer, size_t capacity) noexcept;

}  // namespace tidemark
