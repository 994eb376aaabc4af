// A growable array of plain structs in memory of our own: the rows of a table while it is read (MappedArray, see
// scratch.h), or what is kept for as long as the profiler runs (KeptArray, see own_mapping.h).
#pragma once

#include <cassert>
#include <cstring>
#include <type_traits>
#include <utility>

#include "base/scratch.h"

namespace tidemark {

template <class T, class Memory = Scratch>
class MappedArray {
  static_assert(std::is_trivially_copyable_v<T>, "rows are moved with memcpy");

 public:
  size_t size() const noexcept { return size_; }
  T* data() noexcept { return static_cast<T*>(memory_.data()); }
  const T* data() const noexcept { return static_cast<const T*>(memory_.data()); }
  T& operator[](size_t i) noexcept {
    assert(i < size_);
    return data()[i];
  }
  const T& operator[](size_t i) const noexcept {
    assert(i < size_);
    return data()[i];
  }
  T* begin() noexcept { return data(); }
  T* end() noexcept { return data() + size_; }
  const T* begin() const noexcept { return data(); }
  const T* end() const noexcept { return data() + size_; }

  // Space for `count` more, their bytes unspecified; null when memory has run out (the array is then as it was), and
  // only then: the first string of a table may be empty, which is no failure.
  T* Append(size_t count = 1) noexcept {
    const size_t need = (size_ + count) * sizeof(T);
    if ((need > memory_.size() || data() == nullptr) && !Grow(need)) return nullptr;
    T* first = data() + size_;
    size_ += count;
    return first;
  }

  // Drops the last `count`.
  void Shrink(size_t count) noexcept {
    assert(count <= size_);
    size_ -= count;
  }

 private:
  bool Grow(size_t need) noexcept {
    // Scratch by eight: what is not touched costs nothing, and what is moved from a kept block is copied once.
    constexpr size_t kFactor = std::is_same_v<Memory, Scratch> ? 8 : 2;
    size_t bytes = memory_.size() == 0 ? Scratch::kBlockBytes : memory_.size() * kFactor;
    while (bytes < need) bytes *= 2;
    return memory_.Grow(bytes);
  }

  Memory memory_;
  size_t size_ = 0;
};

template <class T>
using KeptArray = MappedArray<T, OwnMapping>;

}  // namespace tidemark
