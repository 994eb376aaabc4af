// Memory of tidemark's own, straight from mmap.
//
// Readers run inside the service that they measure. A buffer from malloc would land in one of its arenas, stay there
// after free, and come back as growth in the next reading; one of ours comes and goes whole, and is listed, so that
// the ledger can count it as `profiler`. An inaccessible page on either side keeps the kernel from merging it with a
// neighbour: unguarded, a 4 KiB table of ours once claimed 57 MiB of the program's malloc.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tidemark {

struct AddressRange {
  uint64_t start;
  uint64_t end;
};

class OwnMapping {
 public:
  OwnMapping() noexcept = default;
  // At least `bytes` of zeroed memory; `data()` is null when the kernel refuses.
  explicit OwnMapping(size_t bytes) noexcept;
  OwnMapping(OwnMapping&& other) noexcept;
  OwnMapping& operator=(OwnMapping&& other) noexcept;
  OwnMapping(const OwnMapping&) = delete;
  OwnMapping& operator=(const OwnMapping&) = delete;
  ~OwnMapping();

  // Makes it at least `bytes` long, perhaps elsewhere: its pages are moved the first time, later copied. False, and
  // nothing has changed, when the kernel refuses.
  bool Grow(size_t bytes) noexcept;

  void* data() const noexcept { return data_; }
  size_t size() const noexcept { return size_; }

 private:
  // Gives up what is ours but for the first `bytes`, which are no longer.
  void LeaveHole(size_t bytes) noexcept;

  void* data_ = nullptr;
  size_t size_ = 0;
  int slot_ = -1;
  bool moved_ = false;
};

// Copies up to `capacity` live ranges to `out` and returns how many. Ranges beyond the register's 64 slots are not
// listed (their pages count as `mmap`): the register must not grow, because it is read while tables are being built.
size_t OwnRanges(AddressRange* out, size_t capacity) noexcept;

size_t PageSize() noexcept;

}  // namespace tidemark
