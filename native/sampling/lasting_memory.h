// Memory of our own that hooks use until the very end of the process, and so is never given back: free() is called
// after every destructor has run.
//
// In a child of fork it reads as zeros from the first instruction on: locks in it that were held are free, also for
// whoever frees a block before our handler of pthread_atfork has its turn, and in children of a plain clone(), which
// have no handlers. Where the kernel cannot do that, the handler gives the pages back: writing zeros would first copy
// every page that the parent has touched, in each child that is about to exec.
#pragma once

#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <new>
#include <type_traits>

#include "base/own_mapping.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

namespace tidemark {

class LastingMemory {
 public:
  // At least `bytes` of zeroed memory, once; null when the kernel refuses.
  void* Map(size_t bytes) noexcept {
    OwnMapping* mapping = new (mapping_) OwnMapping(bytes);
    data_ = mapping->data();
    size_ = mapping->size();
    wiped_ = data_ != nullptr && madvise(data_, size_, MADV_WIPEONFORK) == 0;
    return data_;
  }

  // errno is kept: fork() is about to return.
  void ZeroAfterFork() noexcept {
    if (data_ == nullptr || wiped_) return;
    const int kept = errno;
    if (madvise(data_, size_, MADV_DONTNEED) != 0) std::memset(data_, 0, size_);
    errno = kept;
  }

 private:
  alignas(OwnMapping) unsigned char mapping_[sizeof(OwnMapping)] = {};  // its destructor never runs
  void* data_ = nullptr;
  size_t size_ = 0;
  bool wiped_ = false;  // in children, by the kernel
};
static_assert(std::is_trivially_destructible_v<LastingMemory>);

}  // namespace tidemark
