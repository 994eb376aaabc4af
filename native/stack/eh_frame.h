// Reads the unwind data of an object (.eh_frame) by the sorted list that the linker puts beside it (.eh_frame_hdr).
//
// Pure: it reads the memory that it is given and nothing else, and takes none of it on trust. A description that is
// damaged is left out, its code then has no unwind data; one that is merely unusual gives kUnsupported rules. Hostile
// data cannot make it slow either: a list may name the same description again and again, so the work is limited to a
// multiple of the data's size.
// Sources: LSB 5.0 "Exception Frames"; DWARF 5, 6.4; x86-64 and AArch64 psABI (register numbers).
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/mapped_array.h"
#include "stack/unwind_rule.h"

namespace tidemark {

// The parts of an object that can be read.
struct ReadableRanges {
  static constexpr size_t kMax = 16;
  AddressRange ranges[kMax];
  size_t count = 0;

  // The end of the range that holds `address`; 0 when none does.
  uint64_t EndAt(uint64_t address) const noexcept {
    for (size_t i = 0; i < count; i++) {
      if (address >= ranges[i].start && address < ranges[i].end) return ranges[i].end;
    }
    return 0;
  }
};

class EhFrame {
 public:
  // `header` is the address of .eh_frame_hdr. False when it has no list of the usual form.
  bool Open(uint64_t header, const ReadableRanges& readable) noexcept;

  // Descriptions (FDEs) in the list, one for each function or part of one.
  size_t size() const noexcept { return count_; }

  // Appends the rules of description `i`, and kNone where it ends, with offsets from `code.start`. Called with rising
  // `i`, it keeps the rows from `first_row` on sorted, and no neighbours equal. What is damaged, out of order or
  // outside `code` is left out. False when `rows` would be longer than `max_rows`, or memory has run out.
  bool AppendRows(size_t i, const AddressRange& code, size_t max_rows, MappedArray<UnwindRow>& rows,
                  size_t first_row = 0) noexcept;

 private:
  // Where a register of the caller is.
  enum class Place : uint8_t { kSame, kSaved, kAtFp, kUndefined, kElsewhere };

  // One line of the table that call frame instructions describe, as far as it matters here.
  struct FrameState {
    RuleKind cfa_kind = RuleKind::kUnsupported;
    Place fp = Place::kSame;
    Place ra = Place::kSame;
    int64_t cfa = 0;        // bytes
    int64_t fp_offset = 0;  // bytes from the CFA, when saved
    int64_t ra_offset = 0;

    UnwindRule Rule() const noexcept;
    // The place of register `reg`; null for one that does not matter. `offset` becomes its offset's.
    Place* PlaceOf(uint64_t reg, int64_t*& offset) noexcept;
  };

  // What descriptions have in common (CIE).
  struct Common {
    uint64_t address;
    uint64_t code_factor;
    int64_t data_factor;
    uint8_t encoding;  // of addresses
    bool has_data;     // descriptions carry augmentation data
    bool signal;
    FrameState initial;
  };

  class Reader;
  class Rows;

  Reader Record(uint64_t address) const noexcept;
  const Common* CommonAt(uint64_t address) noexcept;
  bool ReadCommon(uint64_t address, Common& common) noexcept;
  // Runs instructions from `state` on; `rows` may be null. False on what it does not know.
  bool Run(Reader& reader, const Common& common, FrameState& state, Rows* rows) noexcept;

  ReadableRanges readable_;
  uint64_t header_ = 0;
  uint64_t list_ = 0;
  size_t count_ = 0;
  uint64_t work_left_ = 0;
  uint64_t last_start_ = 0;
  Common commons_[4] = {};  // those seen last: two or three take turns
  size_t next_common_ = 0;
};

}  // namespace tidemark
