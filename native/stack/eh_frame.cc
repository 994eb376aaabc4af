#include "stack/eh_frame.h"

#include <algorithm>
#include <cstring>
#include <iterator>

namespace tidemark {
namespace {

#if defined(__aarch64__)
constexpr uint64_t kFpRegister = 29;
constexpr uint64_t kSpRegister = 31;
constexpr uint64_t kRaRegister = 30;
#else
constexpr uint64_t kFpRegister = 6;
constexpr uint64_t kSpRegister = 7;
constexpr uint64_t kRaRegister = 16;
#endif

// DW_EH_PE_*: how a pointer is written.
enum Encoding : uint8_t {
  kAbsolute = 0x00,
  kUleb = 0x01,
  kU2 = 0x02,
  kU4 = 0x03,
  kU8 = 0x04,
  kSleb = 0x09,
  kS2 = 0x0a,
  kS4 = 0x0b,
  kS8 = 0x0c,
  kFormat = 0x0f,
  kPcRelative = 0x10,
  kHeaderRelative = 0x30,
  kBase = 0x70,
  kIndirect = 0x80,
};

// DW_CFA_*. The first three carry an operand in their low six bits.
enum Instruction : uint8_t {
  kAdvance = 0x40,
  kOffset = 0x80,
  kRestore = 0xc0,
  kNop = 0x00,
  kSetLocation = 0x01,
  kAdvance1 = 0x02,
  kAdvance2 = 0x03,
  kAdvance4 = 0x04,
  kOffsetExtended = 0x05,
  kRestoreExtended = 0x06,
  kUndefine = 0x07,
  kSameValue = 0x08,
  kInRegister = 0x09,
  kRememberState = 0x0a,
  kRestoreState = 0x0b,
  kDefineCfa = 0x0c,
  kDefineCfaRegister = 0x0d,
  kDefineCfaOffset = 0x0e,
  kDefineCfaExpression = 0x0f,
  kExpression = 0x10,
  kOffsetExtendedSigned = 0x11,
  kDefineCfaSigned = 0x12,
  kDefineCfaOffsetSigned = 0x13,
  kValueOffset = 0x14,
  kValueOffsetSigned = 0x15,
  kValueExpression = 0x16,
  kNegateRaStateWithPc = 0x2c,
  kNegateRaState = 0x2d,  // a signed return address: it is masked anyway
  kArgumentsSize = 0x2e,
};

// DW_OP_*.
enum Operation : uint8_t {
  kDeref = 0x06,
  kAnd = 0x1a,
  kPlus = 0x22,
  kShl = 0x24,
  kGe = 0x2a,
  kLit0 = 0x30,
  kBreg0 = 0x70
};

// Compilers nest one or two.
constexpr size_t kMaxRemembered = 8;

}  // namespace

// Consumes the bytes of [at, end). Asked for more than there is, it gives 0, is at its end, and has failed.
class EhFrame::Reader {
 public:
  Reader(uint64_t at, uint64_t end) noexcept : at_(at), end_(end) {}

  template <class T>
  T Fixed() noexcept {
    T value{};
    if (end_ - at_ < sizeof(T)) {
      Fail();
      return value;
    }
    std::memcpy(&value, reinterpret_cast<const void*>(at_), sizeof(T));
    at_ += sizeof(T);
    return value;
  }

  uint8_t Byte() noexcept { return Fixed<uint8_t>(); }

  uint64_t Uleb() noexcept {
    uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
      const uint8_t byte = Byte();
      if (shift < 64) value |= uint64_t{byte & 0x7fU} << shift;
      if ((byte & 0x80) == 0) return value;
    }
  }

  int64_t Sleb() noexcept {
    uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
      const uint8_t byte = Byte();
      if (shift < 64) value |= uint64_t{byte & 0x7fU} << shift;
      if ((byte & 0x80) == 0) {
        if (shift < 57 && (byte & 0x40) != 0) value |= ~uint64_t{0} << (shift + 7);
        return static_cast<int64_t>(value);
      }
    }
  }

  // A number in the format of `encoding`, whatever it is relative to.
  uint64_t Number(uint8_t encoding) noexcept {
    switch (encoding & kFormat) {
      case kAbsolute:
      case kU8:
      case kS8:
        return Fixed<uint64_t>();
      case kUleb:
        return Uleb();
      case kSleb:
        return static_cast<uint64_t>(Sleb());
      case kU2:
        return Fixed<uint16_t>();
      case kS2:
        return static_cast<uint64_t>(int64_t{Fixed<int16_t>()});
      case kU4:
        return Fixed<uint32_t>();
      case kS4:
        return static_cast<uint64_t>(int64_t{Fixed<int32_t>()});
      default:
        Fail();
        return 0;
    }
  }

  uint64_t Address(uint8_t encoding) noexcept {
    const uint64_t base = (encoding & kBase) == kPcRelative ? at_ : 0;
    if ((encoding & kBase & ~kPcRelative) != 0 || (encoding & kIndirect) != 0) Fail();
    return base + Number(encoding);
  }

  // The next `bytes` on their own.
  Reader Part(uint64_t bytes) noexcept {
    if (bytes > end_ - at_) Fail();
    const uint64_t from = at_;
    at_ = failed_ ? end_ : at_ + bytes;
    return {from, at_};
  }

  void Fail() noexcept {
    failed_ = true;
    at_ = end_;
  }

  bool failed() const noexcept { return failed_; }
  bool done() const noexcept { return at_ == end_; }
  uint64_t at() const noexcept { return at_; }
  uint64_t left() const noexcept { return end_ - at_; }

 private:
  uint64_t at_;
  uint64_t end_;
  bool failed_ = false;
};

// Takes the rules of one description down, each when its place is left.
class EhFrame::Rows {
 public:
  Rows(const AddressRange& function, uint64_t code_start, size_t first, size_t max,
       MappedArray<UnwindRow>& rows) noexcept
      : function_(function), code_start_(code_start), first_(first), max_(max), rows_(rows), location_(function.start) {
    // Where the description before said that it ends, or said too much.
    while (rows_.size() > first_ && rows_[rows_.size() - 1].offset >= location_ - code_start_) rows_.Shrink(1);
  }

  // `rule` holds from here to `location`, which does not lie before.
  void Advance(const UnwindRule& rule, uint64_t location) noexcept {
    location = std::min(location, function_.end);
    if (location <= location_) return;
    Append(rule);
    location_ = location;
  }
  // `rule` holds to the end of the function, and nothing is known beyond.
  void Finish(const UnwindRule& rule) noexcept {
    Advance(rule, function_.end);
    Append(UnwindRule(RuleKind::kNone));
  }

  uint64_t location() const noexcept { return location_; }
  bool full() const noexcept { return full_; }

 private:
  void Append(const UnwindRule& rule) noexcept {
    if (rows_.size() > first_ && rows_[rows_.size() - 1].rule == rule) return;
    UnwindRow* row = rows_.size() < max_ ? rows_.Append() : nullptr;
    if (row == nullptr) {
      full_ = true;
      return;
    }
    *row = {static_cast<uint32_t>(location_ - code_start_), rule};
  }

  const AddressRange function_;
  const uint64_t code_start_;
  const size_t first_;
  const size_t max_;
  MappedArray<UnwindRow>& rows_;
  uint64_t location_;
  bool full_ = false;
};

UnwindRule EhFrame::FrameState::Rule() const noexcept {
  constexpr UnwindRule kNotSupported(RuleKind::kUnsupported);
  if (ra == Place::kUndefined) return UnwindRule(RuleKind::kEnd);
  if (cfa % 8 != 0) return kNotSupported;
  const bool fp_saved = fp == Place::kSaved;
  if (!fp_saved && fp != Place::kSame && fp != Place::kUndefined && cfa_kind != RuleKind::kFromFpSlot) {
    return kNotSupported;
  }
#if defined(__aarch64__)
  if (ra != Place::kSaved && ra != Place::kSame) return kNotSupported;
  const int64_t slot = ra == Place::kSaved ? ra_offset : 0;
  if ((ra == Place::kSaved) != (slot != 0) || slot % 8 != 0) return kNotSupported;
  if (fp_saved && (slot == 0 || fp_offset != slot - 8)) return kNotSupported;
  if (cfa_kind != RuleKind::kFromSp && cfa_kind != RuleKind::kFromFp) return kNotSupported;
#else
  if (ra != Place::kSaved || ra_offset != -8) return kNotSupported;
  const int64_t slot = fp_saved ? fp_offset : 0;
  if (fp_saved != (slot != 0) || slot % 8 != 0) return kNotSupported;
  if (cfa_kind == RuleKind::kFromFpSlot && fp != Place::kAtFp) return kNotSupported;
#endif
  return UnwindRule::Make(cfa_kind, cfa / 8, slot / 8, fp_saved);
}

EhFrame::Place* EhFrame::FrameState::PlaceOf(uint64_t reg, int64_t*& offset) noexcept {
  if (reg == kFpRegister) {
    offset = &fp_offset;
    return &fp;
  }
  if (reg == kRaRegister) {
    offset = &ra_offset;
    return &ra;
  }
  return nullptr;
}

EhFrame::Reader EhFrame::Record(uint64_t address) const noexcept {
  const uint64_t end = readable_.EndAt(address);
  Reader reader(address, std::max(end, address));
  const auto length = reader.Fixed<uint32_t>();
  if (length == 0 || length == UINT32_MAX) reader.Fail();  // an end mark; a record of 4 GiB
  Reader record = reader.Part(length);
  if (reader.failed()) record.Fail();
  return record;
}

bool EhFrame::Open(uint64_t header, const ReadableRanges& readable) noexcept {
  *this = EhFrame();
  readable_ = readable;
  const uint64_t end = readable.EndAt(header);
  Reader reader(header, std::max(end, header));
  const uint8_t version = reader.Byte();
  const uint8_t frame_encoding = reader.Byte();
  const uint8_t count_encoding = reader.Byte();
  const uint8_t list_encoding = reader.Byte();
  if (version != 1 || list_encoding != (kHeaderRelative | kS4)) return false;
  reader.Number(frame_encoding);
  const uint64_t count = reader.Number(count_encoding);
  if (reader.failed() || count > reader.left() / 8) return false;
  header_ = header;
  list_ = reader.at();
  count_ = count;
  for (size_t i = 0; i < readable.count; i++) work_left_ += 16 * (readable.ranges[i].end - readable.ranges[i].start);
  return true;
}

bool EhFrame::ReadCommon(uint64_t address, Common& common) noexcept {
  Reader reader = Record(address);
  common = Common{};
  common.address = address;
  common.encoding = kAbsolute;
  if (reader.Fixed<uint32_t>() != 0) return false;
  const uint8_t version = reader.Byte();
  if (version != 1 && version != 3) return false;

  char augmentation[8];
  size_t length = 0;
  for (;;) {
    const char c = static_cast<char>(reader.Byte());
    if (c == '\0') break;
    if (length == sizeof augmentation) return false;
    augmentation[length++] = c;
  }
  common.code_factor = reader.Uleb();
  common.data_factor = reader.Sleb();
  const uint64_t ra = version == 1 ? reader.Byte() : reader.Uleb();
  if (reader.failed() || ra != kRaRegister) return false;

  if (length > 0) {
    if (augmentation[0] != 'z') return false;
    common.has_data = true;
    const uint64_t bytes = reader.Uleb();
    Reader data = reader.Part(bytes);
    for (size_t i = 1; i < length; i++) {
      switch (augmentation[i]) {
        case 'L':
          data.Byte();
          break;
        case 'P':
          data.Number(data.Byte());
          break;
        case 'R':
          common.encoding = data.Byte();
          break;
        case 'S':
          common.signal = true;
          break;
        case 'B':  // which key signs return addresses
        case 'G':  // tagged memory
          break;
        default:
          return false;
      }
    }
    if (data.failed()) return false;
  }
  return !reader.failed() && Run(reader, common, common.initial, nullptr);
}

const EhFrame::Common* EhFrame::CommonAt(uint64_t address) noexcept {
  for (const Common& common : commons_) {
    if (common.address == address) return &common;
  }
  Common common;
  if (address == 0 || !ReadCommon(address, common)) return nullptr;
  next_common_ = (next_common_ + 1) % std::size(commons_);
  commons_[next_common_] = common;
  return &commons_[next_common_];
}

bool EhFrame::AppendRows(size_t i, const AddressRange& code, size_t max_rows, MappedArray<UnwindRow>& rows,
                         size_t first_row) noexcept {
  int32_t entry[2];
  std::memcpy(entry, reinterpret_cast<const void*>(list_ + 8 * i), sizeof entry);
  const uint64_t address = header_ + static_cast<uint64_t>(int64_t{entry[1]});
  Reader reader = Record(address);
  const uint64_t id_at = reader.at();
  const auto id = reader.Fixed<uint32_t>();
  const Common* common = id == 0 ? nullptr : CommonAt(id_at - id);
  if (common == nullptr) return true;
  AddressRange function;
  function.start = reader.Address(common->encoding);
  function.end = function.start + reader.Number(common->encoding);
  if (common->has_data) reader.Part(reader.Uleb());
  if (reader.failed() || function.start != header_ + static_cast<uint64_t>(int64_t{entry[0]})) return true;
  if (function.start < std::max(code.start, last_start_) || function.start >= function.end || function.end > code.end ||
      function.end - code.start > UINT32_MAX) {
    return true;
  }
  last_start_ = function.start;

  Rows out(function, code.start, first_row, max_rows, rows);
  if (common->signal) {
    out.Finish(UnwindRule(RuleKind::kSignal));
    return !out.full();
  }
  FrameState state = common->initial;
  const bool known = Run(reader, *common, state, &out);
  out.Finish(known ? state.Rule() : UnwindRule(RuleKind::kUnsupported));
  return !out.full();
}

bool EhFrame::Run(Reader& reader, const Common& common, FrameState& state, Rows* rows) noexcept {
  FrameState remembered[kMaxRemembered];
  size_t depth = 0;
  const auto advance = [&](uint64_t delta) {
    if (rows != nullptr) rows->Advance(state.Rule(), rows->location() + delta * common.code_factor);
  };
  const auto place = [&](uint64_t reg, Place where, int64_t offset) {
    int64_t* offset_of;
    Place* const place_of = state.PlaceOf(reg, offset_of);
    if (place_of == nullptr) return;
    *place_of = where;
    *offset_of = offset;
  };
  const auto restore = [&](uint64_t reg) {
    if (reg == kFpRegister) place(reg, common.initial.fp, common.initial.fp_offset);
    if (reg == kRaRegister) place(reg, common.initial.ra, common.initial.ra_offset);
  };
  const auto scaled = [&](uint64_t factor) {
    return static_cast<int64_t>(factor * static_cast<uint64_t>(common.data_factor));
  };
  const auto cfa_register = [&](uint64_t reg) {
    state.cfa_kind = reg == kSpRegister   ? RuleKind::kFromSp
                     : reg == kFpRegister ? RuleKind::kFromFp
                                          : RuleKind::kUnsupported;
  };
  // Two expressions are known: [fp + n], and the linker's for its PLT (sp + 8, and 8 more from byte n of an entry on).
  const auto cfa_expression = [&](Reader expression) {
    state.cfa_kind = RuleKind::kUnsupported;
    const uint8_t first = expression.Byte();
    const int64_t offset = expression.Sleb();
    if (first == kBreg0 + kFpRegister) {
      if (expression.Byte() != kDeref || !expression.done() || expression.failed()) return;
      state.cfa_kind = RuleKind::kFromFpSlot;
      state.cfa = offset;
    } else if (first == kBreg0 + kSpRegister && offset == 8) {
      uint8_t rest[9];
      for (uint8_t& byte : rest) byte = expression.Byte();
      const uint8_t expected[9] = {kBreg0 + kRaRegister, 0, kLit0 + 15, kAnd, rest[4], kGe, kLit0 + 3, kShl, kPlus};
      if (std::memcmp(rest, expected, sizeof rest) != 0 || !expression.done() || expression.failed()) return;
      if (rest[4] < kLit0 || rest[4] > kLit0 + 15) return;
      state.cfa_kind = RuleKind::kPlt;
      state.cfa = int64_t{rest[4] - kLit0} * 8;
    }
  };

  while (!reader.done()) {
    if (work_left_ == 0 || (rows != nullptr && rows->full())) return false;
    work_left_--;
    const uint8_t byte = reader.Byte();
    const uint8_t operand = byte & 0x3f;
    switch (byte & 0xc0) {
      case kAdvance:
        advance(operand);
        continue;
      case kOffset:
        place(operand, Place::kSaved, scaled(reader.Uleb()));
        continue;
      case kRestore:
        restore(operand);
        continue;
      default:
        break;
    }
    uint64_t reg;
    switch (byte) {
      case kNop:
      case kNegateRaState:
      case kNegateRaStateWithPc:
        break;
      case kSetLocation: {
        const uint64_t location = reader.Address(common.encoding);
        if (rows != nullptr) rows->Advance(state.Rule(), location);
        break;
      }
      case kAdvance1:
        advance(reader.Byte());
        break;
      case kAdvance2:
        advance(reader.Fixed<uint16_t>());
        break;
      case kAdvance4:
        advance(reader.Fixed<uint32_t>());
        break;
      case kOffsetExtended:
        reg = reader.Uleb();
        place(reg, Place::kSaved, scaled(reader.Uleb()));
        break;
      case kOffsetExtendedSigned:
        reg = reader.Uleb();
        place(reg, Place::kSaved, scaled(static_cast<uint64_t>(reader.Sleb())));
        break;
      case kRestoreExtended:
        restore(reader.Uleb());
        break;
      case kUndefine:
        place(reader.Uleb(), Place::kUndefined, 0);
        break;
      case kSameValue:
        place(reader.Uleb(), Place::kSame, 0);
        break;
      case kInRegister:
      case kValueOffset:
        place(reader.Uleb(), Place::kElsewhere, 0);
        reader.Uleb();
        break;
      case kValueOffsetSigned:
        place(reader.Uleb(), Place::kElsewhere, 0);
        reader.Sleb();
        break;
      case kRememberState:
        if (depth == kMaxRemembered) return false;
        remembered[depth++] = state;
        break;
      case kRestoreState:
        if (depth == 0) return false;
        state = remembered[--depth];
        break;
      case kDefineCfa:
        cfa_register(reader.Uleb());
        state.cfa = static_cast<int64_t>(reader.Uleb());
        break;
      case kDefineCfaSigned:
        cfa_register(reader.Uleb());
        state.cfa = scaled(static_cast<uint64_t>(reader.Sleb()));
        break;
      case kDefineCfaRegister:
        cfa_register(reader.Uleb());
        break;
      case kDefineCfaOffset:
        state.cfa = static_cast<int64_t>(reader.Uleb());
        break;
      case kDefineCfaOffsetSigned:
        state.cfa = scaled(static_cast<uint64_t>(reader.Sleb()));
        break;
      case kDefineCfaExpression: {
        const uint64_t bytes = reader.Uleb();
        cfa_expression(reader.Part(bytes));
        break;
      }
      case kExpression: {
        reg = reader.Uleb();
        const uint64_t bytes = reader.Uleb();
        Reader expression = reader.Part(bytes);
        const bool at_fp = expression.Byte() == kBreg0 + kFpRegister && expression.Sleb() == 0 && expression.done();
        place(reg, at_fp && !expression.failed() ? Place::kAtFp : Place::kElsewhere, 0);
        break;
      }
      case kValueExpression: {
        place(reader.Uleb(), Place::kElsewhere, 0);
        const uint64_t bytes = reader.Uleb();
        reader.Part(bytes);
        break;
      }
      case kArgumentsSize:
        reader.Uleb();
        break;
      default:
        return false;
    }
  }
  return !reader.failed();
}

}  // namespace tidemark
