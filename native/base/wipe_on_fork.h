// One page that the kernel zeroes in every child.
//
// A kept descriptor of /proc/self/statm goes on describing the parent after fork. pthread_atfork misses raw clone(),
// and getpid() on each reading costs a fifth of the reading; a page under MADV_WIPEONFORK costs one load.
// Source: madvise(2), Linux 4.14.
#pragma once

#include "base/own_mapping.h"

namespace tidemark {

class WipeOnForkPage {
 public:
  WipeOnForkPage() noexcept;
  // Zeroed memory of one page; null where the kernel cannot wipe, and then nothing may be kept across calls.
  void* data() const noexcept { return works_ ? page_.data() : nullptr; }

 private:
  OwnMapping page_;
  bool works_ = false;
};

}  // namespace tidemark
