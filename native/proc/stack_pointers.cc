#include "proc/stack_pointers.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "proc/proc_file.h"

namespace tidemark {
namespace {

// getdents64(2); glibc declares it under another name in each version, and opendir allocates.
struct Entry {
  uint64_t inode;
  int64_t offset;
  uint16_t length;
  uint8_t type;
  char name[1];
};

constexpr size_t kMostThreads = 4096;

}  // namespace

uint64_t ParseStackPointer(std::string_view text) noexcept {
  const size_t last = text.rfind(' ');
  if (last == std::string_view::npos || last == 0) return 0;
  const size_t before = text.rfind(' ', last - 1);
  if (before == std::string_view::npos) return 0;
  std::string_view word = text.substr(before + 1, last - before - 1);
  if (!word.starts_with("0x") || word.size() > 18) return 0;
  uint64_t value = 0;
  for (const char c : word.substr(2)) {
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (digit < 0) return 0;
    value = value << 4 | static_cast<uint64_t>(digit);
  }
  return value;
}

void ReadStackPointers(pid_t pid, MappedArray<uint64_t>& pointers) noexcept {
  const ProcPath path(pid, "task");
  const UniqueFd tasks(open(path.text, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!tasks) return;
  alignas(Entry) char entries[4096];
  for (;;) {
    const long got = syscall(SYS_getdents64, tasks.get(), entries, sizeof entries);
    if (got <= 0) return;
    for (long at = 0; at < got;) {
      const char* entry = entries + at;
      uint16_t length;
      std::memcpy(&length, entry + offsetof(Entry, length), sizeof length);
      at += length;
      char name[64];
      const int n = snprintf(name, sizeof name, "%s/syscall", entry + offsetof(Entry, name));
      if (entry[offsetof(Entry, name)] == '.' || n <= 0 || n >= static_cast<int>(sizeof name)) continue;
      const UniqueFd file(openat(tasks.get(), name, O_RDONLY | O_CLOEXEC));
      char text[256];
      const ssize_t size = file ? ReadSmall(file.get(), text, sizeof text) : 0;
      const uint64_t pointer = size > 0 ? ParseStackPointer({text, static_cast<size_t>(size)}) : 0;
      if (pointer == 0) continue;
      uint64_t* slot = pointers.size() < kMostThreads ? pointers.Append() : nullptr;
      if (slot == nullptr) return;
      *slot = pointer;
    }
  }
}

}  // namespace tidemark
