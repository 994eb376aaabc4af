// Where a name is put together, piece by piece: what goes beyond the capacity is dropped.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string_view>

namespace tidemark {

class NameOutput {
 public:
  NameOutput(char* out, size_t capacity) noexcept : out_(out), capacity_(capacity) {}

  void Put(std::string_view text) noexcept {
    const size_t room = std::min(text.size(), capacity_ - size_);
    if (room != 0) std::memcpy(out_ + size_, text.data(), room);
    size_ += room;
    cut_ = cut_ || room < text.size();
  }

  size_t size() const noexcept { return size_; }
  // Takes back what was put since it was `size` long.
  void Truncate(size_t size) noexcept {
    cut_ = cut_ && size >= size_;
    size_ = std::min(size, size_);
  }

  // The bytes written, without a character that was cut in half.
  size_t Finish() noexcept {
    if (!cut_) return size_;
    size_t first = size_;
    while (first > 0 && (static_cast<unsigned char>(out_[first - 1]) & 0xc0) == 0x80) first--;
    if (first == 0) return size_;
    const auto lead = static_cast<unsigned char>(out_[first - 1]);
    const size_t length = lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    return first - 1 + length > size_ ? first - 1 : size_;
  }

 private:
  char* out_;
  size_t capacity_;
  size_t size_ = 0;
  bool cut_ = false;
};

}  // namespace tidemark
