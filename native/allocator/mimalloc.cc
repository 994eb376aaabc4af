#include "allocator/mimalloc.h"

#include <cerrno>

namespace tidemark {

const Mimalloc& FindMimalloc() noexcept {
  static const Mimalloc mimalloc = {Find<decltype(Mimalloc::process_info)>("mi_process_info"),
                                    Find<decltype(Mimalloc::thread_init)>("mi_thread_init"),
                                    Find<decltype(Mimalloc::collect)>("mi_collect")};
  return mimalloc;
}

bool ReadMimalloc(const Mimalloc& mimalloc, AllocatorCounters& counters) noexcept {
  counters = {};
  if (mimalloc.process_info == nullptr) return false;
  size_t committed = 0;
  mimalloc.process_info(nullptr, nullptr, nullptr, nullptr, nullptr, &committed, nullptr, nullptr);
  // Its RSS is the committed bytes again, where the kernel does not say.
  if (committed == 0) return false;
  counters.resident = static_cast<double>(committed);
  return true;
}

int ReleaseMimalloc(const Mimalloc& mimalloc) noexcept {
  if (mimalloc.thread_init == nullptr || mimalloc.collect == nullptr) return ENOTSUP;
  // From a thread that has not allocated yet, as a pool thread may, collecting does nothing at all.
  mimalloc.thread_init();
  mimalloc.collect(true);
  return 0;
}

}  // namespace tidemark
