// Which character of the script each piece of code belongs to: what a frame needs to become a line.
//
// V8 reports a table of (code offset, character) pairs for the bytecode and for the Turbofan code of every function
// compiled while it is listened to. Tables are stored as differences, 2 to 3 bytes a pair instead of 8, in a ring: the
// newest kMaxBytes of them are there, older ones are gone without anything having to let go of them.
// Not thread-safe: it lives inside the code map, under its lock.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/own_mapping.h"

namespace tidemark {

struct LinePosition {
  uint32_t offset;    // in bytes from the start of the code
  uint32_t position;  // in characters (UTF-16 units) from the start of the script
};

class LineTables {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;
  static constexpr size_t kMaxBytes = size_t{4} << 20;
  static constexpr size_t kMaxTables = size_t{1} << 16;
  static constexpr size_t kMaxPairs = size_t{1} << 16;

  // The lowest and highest position of a table, known without reading it.
  struct Span {
    uint32_t low;
    uint32_t high;
  };

  // Stores a table whose offsets do not fall and returns its number; kNone, and counted, when it is empty, longer than
  // kMaxPairs, out of order, or memory has run out.
  uint32_t Store(const LinePosition* pairs, size_t count) noexcept;

  // Takes back a table that is not needed after all. The ring has its room again when those stored after it have been
  // taken back, too.
  void Release(uint32_t table) noexcept;

  // False: this table is gone (or never was).
  bool Has(uint32_t table) const noexcept;

  // The position that the code at `offset` has: that of the last pair at or before it; -1 when there is none.
  int32_t PositionAt(uint32_t table, uint32_t offset) const noexcept;

  // False when the table is gone.
  bool GetSpan(uint32_t table, Span& span) const noexcept;

  bool Holds(uint32_t table, uint32_t position) const noexcept;

  // Of pairs; 0 when the table is gone.
  size_t Count(uint32_t table) const noexcept { return Has(table) ? At(table).count : 0; }

  // Copies up to `capacity` pairs to `out`; returns how many.
  size_t Copy(uint32_t table, LinePosition* out, size_t capacity) const noexcept;

  uint64_t bytes() const noexcept { return used_ < kMaxBytes ? used_ : kMaxBytes; }
  uint64_t dropped() const noexcept { return refused_ + overwritten_; }

 private:
  struct Entry {
    uint64_t begin;  // counted from the first byte ever stored; its place in the ring is the remainder
    uint32_t count;  // 0: taken back
    Span span;
  };
  class Reader;

  const Entry& At(uint32_t table) const noexcept;

  OwnMapping text_;
  OwnMapping directory_;
  uint64_t used_ = 0;  // bytes ever stored, with those skipped at the ring's end
  uint32_t next_ = 0;
  uint32_t oldest_ = 0;  // those before it have been overwritten
  uint64_t refused_ = 0;
  uint64_t overwritten_ = 0;
};

}  // namespace tidemark
