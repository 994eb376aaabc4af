#include "base/own_mapping.h"

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <utility>

namespace tidemark {
namespace {

constexpr int kSlots = 64;

// One word a range, the page it starts at above its length in pages (0 is a free slot): with two words a reader could
// pair the start of a mapping with the end of the one that took its slot, and claim all that lies between.
constexpr int kLengthBits = 24;  // 64 GiB of 4 KiB pages, and 40 bits for 52 bits of address
std::atomic<uint64_t> g_slots[kSlots];

int Register(uint64_t start, size_t bytes) noexcept {
  const uint64_t first = start / PageSize();
  const uint64_t pages = bytes / PageSize();
  if (pages == 0 || pages >> kLengthBits != 0 || first >> (64 - kLengthBits) != 0) return -1;
  for (int i = 0; i < kSlots; i++) {
    uint64_t empty = 0;
    if (g_slots[i].compare_exchange_strong(empty, first << kLengthBits | pages)) return i;
  }
  return -1;
}

void Unregister(int slot) noexcept {
  if (slot >= 0) g_slots[slot].store(0);
}

}  // namespace

size_t PageSize() noexcept {
  static const size_t size = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return size;
}

OwnMapping::OwnMapping(size_t bytes) noexcept {
  const size_t page = PageSize();
  const size_t inner = (bytes + page - 1) & ~(page - 1);
  void* outer = mmap(nullptr, inner + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (outer == MAP_FAILED) return;
  void* data = static_cast<char*>(outer) + page;
  if (mprotect(data, inner, PROT_READ | PROT_WRITE) != 0) {
    munmap(outer, inner + 2 * page);
    return;
  }
  data_ = data;
  size_ = inner;
  slot_ = Register(reinterpret_cast<uint64_t>(data), inner);
}

bool OwnMapping::Grow(size_t bytes) noexcept {
  OwnMapping larger(bytes);
  if (larger.data_ == nullptr || larger.size_ < size_) return false;
  if (data_ != nullptr && moved_) {
    // Pages that were moved once do not merge with those behind them, and before Linux 6.17 mremap takes one mapping
    // only.
    std::memcpy(larger.data_, data_, size_);
  } else if (data_ != nullptr) {
    const bool moved = mremap(data_, size_, size_, MREMAP_MAYMOVE | MREMAP_FIXED, larger.data_) != MAP_FAILED;
    // The place that was left is a hole by now, which another thread may have mapped: only the guards are ours still.
    // A failure may have left such a hole at the front of `larger` (mremap unmaps the target first).
    OwnMapping& left = moved ? *this : larger;
    left.LeaveHole(size_);
    if (!moved) return false;
    larger.moved_ = true;
  }
  std::swap(*this, larger);
  return true;
}

void OwnMapping::LeaveHole(size_t bytes) noexcept {
  Unregister(slot_);
  const size_t page = PageSize();
  munmap(static_cast<char*>(data_) - page, page);
  munmap(static_cast<char*>(data_) + bytes, size_ - bytes + page);
  data_ = nullptr;
  size_ = 0;
  slot_ = -1;
}

OwnMapping::OwnMapping(OwnMapping&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      slot_(std::exchange(other.slot_, -1)),
      moved_(std::exchange(other.moved_, false)) {}

OwnMapping& OwnMapping::operator=(OwnMapping&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(slot_, other.slot_);
  std::swap(moved_, other.moved_);
  return *this;
}

OwnMapping::~OwnMapping() {
  if (data_ == nullptr) return;
  Unregister(slot_);
  const size_t page = PageSize();
  munmap(static_cast<char*>(data_) - page, size_ + 2 * page);
}

size_t OwnRanges(AddressRange* out, size_t capacity) noexcept {
  size_t n = 0;
  for (const std::atomic<uint64_t>& slot : g_slots) {
    const uint64_t range = slot.load();
    if (range == 0 || n == capacity) continue;
    const uint64_t start = (range >> kLengthBits) * PageSize();
    const uint64_t pages = range & ((uint64_t{1} << kLengthBits) - 1);
    out[n++] = {start, start + pages * PageSize()};
  }
  return n;
}

}  // namespace tidemark
