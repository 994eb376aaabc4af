#include "proc/statm.h"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <new>

#include "base/wipe_on_fork.h"

namespace tidemark {
namespace {

// Never destroyed: a reading may come from a thread that outlives static destructors.
std::atomic<int>* KeptDescriptor() noexcept {
  // The page is zeroed in a child, so descriptor + 1 is stored: 0 means "open it first".
  static std::atomic<int>* const kept = [] {
    static char storage[sizeof(WipeOnForkPage)] __attribute__((aligned(alignof(WipeOnForkPage))));
    return static_cast<std::atomic<int>*>((new (storage) WipeOnForkPage)->data());
  }();
  return kept;
}

int ReadOnce(int fd, Usage& usage) noexcept {
  char text[128];
  const ssize_t n = pread(fd, text, sizeof text, 0);
  if (n < 0) return errno;
  return ParseStatm({text, static_cast<size_t>(n)}, usage) ? 0 : kBadFormat;
}

}  // namespace

bool ParseStatm(std::string_view text, Usage& usage) noexcept {
  uint64_t value[3];
  size_t i = 0;
  for (uint64_t& v : value) {
    const size_t begin = i;
    v = 0;
    while (i < text.size() && text[i] >= '0' && text[i] <= '9') v = v * 10 + static_cast<uint64_t>(text[i++] - '0');
    if (i == begin || i - begin > 18 || i == text.size()) return false;
    if (text[i] != ' ' && text[i] != '\n') return false;
    i++;
  }
  const double page = static_cast<double>(PageSize());
  usage.rss = static_cast<double>(value[1]) * page;
  usage.file = static_cast<double>(value[2]) * page;
  // The two counters are not read at one instant; a difference below zero is that race, not a debt.
  usage.anon = value[1] > value[2] ? static_cast<double>(value[1] - value[2]) * page : 0;
  return true;
}

int ReadOwnUsage(Usage& usage) noexcept {
  std::atomic<int>* kept = KeptDescriptor();
  if (kept == nullptr) return ReadUsage(0, usage).error;
  int fd = kept->load(std::memory_order_acquire) - 1;  // after the open() of the thread that stored it
  if (fd < 0) {
    UniqueFd opened = OpenProc(ProcPath(0, "statm"));
    if (!opened) return errno;
    int none = 0;
    if (kept->compare_exchange_strong(none, opened.get() + 1)) {
      fd = opened.Release();
    } else {
      fd = none - 1;  // another thread was first; ours closes
    }
  }
  return ReadOnce(fd, usage);
}

Failure ReadUsage(pid_t pid, Usage& usage) noexcept {
  const ProcPath path(pid, "statm");
  const UniqueFd fd = OpenProc(path);
  if (!fd) return FailureAt(path, errno);
  const int error = ReadOnce(fd.get(), usage);
  return error == 0 ? Failure{} : FailureAt(path, error, error == kBadFormat ? 1 : 0);
}

bool KeepsDescriptor() noexcept { return KeptDescriptor() != nullptr; }

}  // namespace tidemark
