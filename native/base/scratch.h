// Working memory for the length of one reading.
//
// Small pieces come from a few blocks that are kept from one reading to the next: mapping, touching and unmapping ten
// pieces anew costs more than parsing the smaps of 200 mappings, and takes the lock that every mmap of the program
// waits for. Kept blocks are of tidemark's own memory (own_mapping.h), and never more than kKeptBlocks.
#pragma once

#include "base/own_mapping.h"

namespace tidemark {

class Scratch {
 public:
  static constexpr size_t kBlockBytes = size_t{64} << 10;
  static constexpr int kKeptBlocks = 12;

  Scratch() noexcept = default;
  // At least `bytes`, their contents unspecified; `data()` is null when the kernel refuses.
  explicit Scratch(size_t bytes) noexcept;
  Scratch(Scratch&& other) noexcept;
  Scratch& operator=(Scratch&& other) noexcept;
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch();

  // Makes it at least `bytes` long, what it holds kept. False, and nothing has changed, when the kernel refuses.
  bool Grow(size_t bytes) noexcept;

  void* data() const noexcept { return data_; }
  size_t size() const noexcept { return size_; }

 private:
  void* data_ = nullptr;
  size_t size_ = 0;
  int block_ = -1;  // the kept block it is; -1: `own_`
  OwnMapping own_;
};

}  // namespace tidemark
