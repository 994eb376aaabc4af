#include "base/wipe_on_fork.h"

#include <sys/mman.h>

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

namespace tidemark {

WipeOnForkPage::WipeOnForkPage() noexcept : page_(PageSize()) {
  works_ = page_.data() != nullptr && madvise(page_.data(), page_.size(), MADV_WIPEONFORK) == 0;
}

}  // namespace tidemark
