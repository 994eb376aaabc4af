// Compact unwind tables of the loaded objects, made of their .eh_frame outside hooks and read in them.
//
// Interpreting .eh_frame while walking costs 80 to 160 ns a frame and touches memory that dlclose may unmap meanwhile;
// a table costs a tenth of that, 8 bytes for each change of rule, and is ours. The executable gets none as long as its
// unwind data says that it keeps frame pointers, as Node's own builds do (92 to 94 % of their bytes): there the frame
// pointer is as good, and four to six MiB cheaper. Distributions may build Node otherwise, so it is measured.
//
// What a walk reads never changes: a refresh publishes new memory by one pointer, and what it replaces is unmapped only
// when the last walk that may know it has ended. Tables are limited to kMaxTableBytes in all.
#pragma once

#include <cstddef>
#include <cstdint>

#include "elf/loaded_objects.h"
#include "stack/unwind_rule.h"

namespace tidemark {

constexpr size_t kMaxTableBytes = size_t{16} << 20;

// Makes tables for the objects that have none yet, forgets those of objects that are gone, and publishes the result.
// One caller at a time, not in a hook; it holds the loader's lock while it reads a library's unwind data, so that
// dlclose waits. False when nothing was published: memory has run out, or a walk has been under way since before the
// last publication. The next call tries again.
bool RefreshUnwindTables(const ObjectList& objects) noexcept;

struct UnwindStats {
  uint64_t objects;            // that the tables describe
  uint64_t skipped;            // objects whose table did not fit into kMaxTableBytes
  uint64_t rows;               // of all tables
  uint64_t bytes;              // of memory for tables, what was unloaded and not yet reclaimed included
  uint64_t without_cfi_bytes;  // of code that no unwind data describes, the executable's aside
  uint64_t build_nanos;        // spent on the last refresh that made a table
  bool node_keeps_frame_pointers;
  double node_frame_pointer_share;  // of the executable's bytes, 0 to 1
};

// Any thread, not in a hook.
UnwindStats GetUnwindStats() noexcept;

// What to do about code that no row describes.
enum class NoRule : uint8_t {
  kFollow,  // it keeps frame pointers: the executable, with V8's builtins in it
  kGuess,   // it may
  kBegin,   // threads begin there: the loader that is the C library too, and has no unwind data (musl)
};

// An object's code, and its table when it has one.
struct UnwindObject {
  uint64_t text_start;
  uint64_t text_end;
  // By code offset, beginning with 0; a rule holds up to the next row. Null without a table.
  const UnwindRow* rows;
  // index[i]: how many rows begin at or below code offset i * kIndexBytes.
  const uint32_t* index;
  uint32_t row_count;
  NoRule no_rule;
  uint64_t identity;  // tells builds apart that come to lie at the same address

  static constexpr uint32_t kIndexBytes = 512;

  bool Contains(uint64_t pc) const noexcept { return pc >= text_start && pc < text_end; }

  // For a pc that the object contains.
  UnwindRule RuleAt(uint64_t pc) const noexcept {
    if (rows == nullptr) return UnwindRule();
    const auto offset = static_cast<uint32_t>(pc - text_start);
    const uint32_t* const at = index + offset / kIndexBytes;
    uint32_t row = at[0];  // some ten rows to look at; at the very most kIndexBytes
    while (row < at[1] && rows[row].offset <= offset) row++;
    return rows[row - 1].rule;
  }
};

// The tables as they are now, kept for the length of one walk. In a hook: two atomic additions, no waiting.
class UnwindTables {
 public:
  UnwindTables() noexcept;
  ~UnwindTables();
  UnwindTables(const UnwindTables&) = delete;
  UnwindTables& operator=(const UnwindTables&) = delete;

  // The object whose code holds `pc`; null when none does.
  const UnwindObject* Find(uint64_t pc) const noexcept;

 private:
  const UnwindObject* objects_;  // by address
  size_t count_;
  uint32_t phase_;
};

}  // namespace tidemark
