#include "base/own_mapping.h"

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <utility>

namespace tidemark {
namespace {

constexpr int kSlots = 64;

// A slot is claimed by its start and published by its end, so a reader never pairs two mappings.
struct Slot {
  std::atomic<uint64_t> start{0};
  std::atomic<uint64_t> end{0};
};
Slot g_slots[kSlots];

int Register(uint64_t start, uint64_t end) noexcept {
  for (int i = 0; i < kSlots; i++) {
    uint64_t empty = 0;
    if (g_slots[i].start.compare_exchange_strong(empty, start)) {
      g_slots[i].end.store(end);
      return i;
    }
  }
  return -1;
}

void Unregister(int slot) noexcept {
  if (slot < 0) return;
  g_slots[slot].end.store(0);
  g_slots[slot].start.store(0);
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
  const uint64_t start = reinterpret_cast<uint64_t>(data);
  slot_ = Register(start, start + inner);
}

OwnMapping::OwnMapping(OwnMapping&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      slot_(std::exchange(other.slot_, -1)) {}

OwnMapping& OwnMapping::operator=(OwnMapping&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(slot_, other.slot_);
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
  for (const Slot& slot : g_slots) {
    const uint64_t start = slot.start.load();
    const uint64_t end = slot.end.load();
    if (n < capacity && start != 0 && end > start) out[n++] = {start, end};
  }
  return n;
}

}  // namespace tidemark
