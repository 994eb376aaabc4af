#include "base/scratch.h"

#include <atomic>
#include <cstring>
#include <new>
#include <utility>

namespace tidemark {
namespace {

// Whose bit is set in `busy` owns the block. Never destroyed: a reading may be under way when the process ends.
struct Kept {
  std::atomic<uint32_t> busy{0};
  OwnMapping blocks[Scratch::kKeptBlocks];
};

Kept& TheKept() noexcept {
  alignas(Kept) static char storage[sizeof(Kept)];
  static Kept* const kept = new (storage) Kept;
  return *kept;
}

// -1 when all are taken.
int TakeBlock(Kept& kept) noexcept {
  for (int i = 0; i < Scratch::kKeptBlocks; i++) {
    const uint32_t bit = uint32_t{1} << i;
    if ((kept.busy.load(std::memory_order_relaxed) & bit) == 0 &&
        (kept.busy.fetch_or(bit, std::memory_order_acquire) & bit) == 0) {
      return i;
    }
  }
  return -1;
}

}  // namespace

Scratch::Scratch(size_t bytes) noexcept {
  Kept& kept = TheKept();
  if (bytes <= kBlockBytes) block_ = TakeBlock(kept);
  OwnMapping& memory = block_ >= 0 ? kept.blocks[block_] : own_;
  if (memory.data() == nullptr) memory = OwnMapping(bytes <= kBlockBytes ? kBlockBytes : bytes);
  data_ = memory.data();
  size_ = memory.size();
}

bool Scratch::Grow(size_t bytes) noexcept {
  if (bytes <= size_) return true;
  if (data_ == nullptr || block_ >= 0) {
    Scratch larger(bytes);
    if (larger.data_ == nullptr) return false;
    if (data_ != nullptr) std::memcpy(larger.data_, data_, size_);
    std::swap(*this, larger);
    return true;
  }
  if (!own_.Grow(bytes)) return false;
  data_ = own_.data();
  size_ = own_.size();
  return true;
}

Scratch::Scratch(Scratch&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      block_(std::exchange(other.block_, -1)),
      own_(std::move(other.own_)) {}

Scratch& Scratch::operator=(Scratch&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(block_, other.block_);
  std::swap(own_, other.own_);
  return *this;
}

Scratch::~Scratch() {
  if (block_ >= 0) TheKept().busy.fetch_and(~(uint32_t{1} << block_), std::memory_order_release);
}

}  // namespace tidemark
