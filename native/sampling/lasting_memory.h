// Memory of our own that hooks use until the very end of the process, and so is never given back: free() is called
// after every destructor has run.
//
// After fork the child empties it. Writing zeros would first copy every page that the parent has touched, in each
// child that is about to exec; giving the pages back is one call, and then they read as zeros.
#pragma once

#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <new>
#include <type_traits>

#include "base/own_mapping.h"

namespace tidemark {

class LastingMemory {
 public:
  // At least `bytes` of zeroed memory, once; null when the kernel refuses.
  void* Map(size_t bytes) noexcept {
    OwnMapping* mapping = new (mapping_) OwnMapping(bytes);
    data_ = mapping->data();
    size_ = mapping->size();
    return data_;
  }

  // errno is kept: fork() is about to return.
  void ZeroAfterFork() noexcept {
    if (data_ == nullptr) return;
    const int kept = errno;
    if (madvise(data_, size_, MADV_DONTNEED) != 0) std::memset(data_, 0, size_);
    errno = kept;
  }

 private:
  alignas(OwnMapping) unsigned char mapping_[sizeof(OwnMapping)] = {};  // its destructor never runs
  void* data_ = nullptr;
  size_t size_ = 0;
};
static_assert(std::is_trivially_destructible_v<LastingMemory>);

}  // namespace tidemark
