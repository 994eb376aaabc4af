// Feeds a seq_file of /proc to an incremental parser through one small buffer.
//
// smaps of 20,000 mappings is 14 MB of text; held whole it would be the largest thing the reading adds to the process.
// The kernel hands out at most 4 KiB a read whatever is asked for, so a bigger buffer would not be faster either.
#pragma once

#include <cerrno>
#include <cstring>
#include <string_view>

#include "base/scratch.h"
#include "proc/proc_file.h"

namespace tidemark {

// `parse(text, last)` consumes a prefix of `text` and returns its length, or a negative errno. It is called with
// last = true once, at the end. Returns 0 or an errno.
template <class Parse>
int StreamText(int fd, Parse&& parse) noexcept {
  Scratch memory(Scratch::kBlockBytes);
  char* buffer = static_cast<char*>(memory.data());
  if (buffer == nullptr) return ENOMEM;
  size_t held = 0;
  for (;;) {
    const ssize_t got = read(fd, buffer + held, memory.size() - held);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno;
    held += static_cast<size_t>(got);
    const bool last = got == 0;
    // Parsing per 4 KiB read would look at every torn record twice; filling the buffer first would touch three times
    // the pages, at the price of two records a page.
    if (!last && held < (size_t{16} << 10)) continue;
    const ssize_t used = parse(std::string_view(buffer, held), last);
    if (used < 0) return static_cast<int>(-used);
    if (last) return 0;
    // A record that fills the whole buffer is none that the kernel writes.
    if (used == 0 && held == memory.size()) return kBadFormat;
    held -= static_cast<size_t>(used);
    std::memmove(buffer, buffer + used, held);
  }
}

}  // namespace tidemark
