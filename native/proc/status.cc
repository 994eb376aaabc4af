#include "proc/status.h"

#include <cerrno>

namespace tidemark {
namespace {

// "RssShmem:\t     120 kB"
double KilobytesAfter(std::string_view text, std::string_view key) noexcept {
  size_t at = text.find(key);
  if (at == std::string_view::npos) return 0;
  at += key.size();
  while (at < text.size() && (text[at] == ' ' || text[at] == '\t')) at++;
  double value = 0;
  while (at < text.size() && text[at] >= '0' && text[at] <= '9') value = value * 10 + (text[at++] - '0');
  return value * 1024;
}

}  // namespace

void ParseStatus(std::string_view text, MemoryStatus& status) noexcept {
  status.shmem = KilobytesAfter(text, "\nRssShmem:");
  status.swap = KilobytesAfter(text, "\nVmSwap:");
}

Failure ReadStatus(pid_t pid, MemoryStatus& status) noexcept {
  const ProcPath path(pid, "status");
  const UniqueFd fd = OpenProc(path);
  if (!fd) return FailureAt(path, errno);
  char text[8192];
  const ssize_t n = ReadSmall(fd.get(), text, sizeof text);
  if (n < 0) return FailureAt(path, static_cast<int>(-n));
  ParseStatus({text, static_cast<size_t>(n)}, status);
  return {};
}

}  // namespace tidemark
