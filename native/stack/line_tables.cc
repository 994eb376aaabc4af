#include "stack/line_tables.h"

namespace tidemark {
namespace {

// Seven bits a byte, the lowest first.
size_t VarintSize(uint32_t value) noexcept {
  size_t size = 1;
  while (value >= 0x80) {
    value >>= 7;
    size++;
  }
  return size;
}

uint8_t* WriteVarint(uint8_t* out, uint32_t value) noexcept {
  while (value >= 0x80) {
    *out++ = static_cast<uint8_t>(value | 0x80);
    value >>= 7;
  }
  *out++ = static_cast<uint8_t>(value);
  return out;
}

// Positions go up and down by little: the sign goes to the lowest bit, so that a small step stays one byte. Modulo
// 2^32, so that every position comes back as it was.
uint32_t Fold(uint32_t step) noexcept { return step << 1 ^ (step >> 31 != 0 ? UINT32_MAX : 0); }
uint32_t Unfold(uint32_t folded) noexcept { return folded >> 1 ^ ((folded & 1) != 0 ? UINT32_MAX : 0); }

}  // namespace

class LineTables::Reader {
 public:
  Reader(const LineTables& tables, const Entry& entry) noexcept
      : at_(static_cast<const uint8_t*>(tables.text_.data()) + entry.begin % kMaxBytes), left_(entry.count) {}

  bool Next(LinePosition& pair) noexcept {
    if (left_ == 0) return false;
    left_--;
    pair_.offset += Read();
    pair_.position += Unfold(Read());
    pair = pair_;
    return true;
  }

 private:
  uint32_t Read() noexcept {
    uint32_t value = 0;
    for (int shift = 0;; shift += 7) {
      const uint8_t byte = *at_++;
      value |= static_cast<uint32_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  }

  const uint8_t* at_;
  uint32_t left_;
  LinePosition pair_ = {0, 0};
};

uint32_t LineTables::Store(const LinePosition* pairs, size_t count) noexcept {
  size_t bytes = 0;
  Span span = {UINT32_MAX, 0};
  LinePosition last = {0, 0};
  bool ordered = true;
  for (size_t i = 0; i < count; i++) {
    const LinePosition& pair = pairs[i];
    ordered = ordered && pair.offset >= last.offset;
    bytes += VarintSize(pair.offset - last.offset) + VarintSize(Fold(pair.position - last.position));
    if (pair.position < span.low) span.low = pair.position;
    if (pair.position > span.high) span.high = pair.position;
    last = pair;
  }
  if (text_.data() == nullptr) text_ = OwnMapping(kMaxBytes);
  if (directory_.data() == nullptr) directory_ = OwnMapping(kMaxTables * sizeof(Entry));
  const bool memory = text_.data() != nullptr && directory_.data() != nullptr;
  if (count == 0 || count > kMaxPairs || !ordered || next_ == kNone || !memory) {
    refused_++;
    return kNone;
  }

  static_assert(kMaxPairs * 10 <= kMaxBytes, "the longest table fits into the ring");
  const size_t place = used_ % kMaxBytes;
  if (place + bytes > kMaxBytes) used_ += kMaxBytes - place;
  uint8_t* out = static_cast<uint8_t*>(text_.data()) + used_ % kMaxBytes;
  last = {0, 0};
  for (size_t i = 0; i < count; i++) {
    out = WriteVarint(out, pairs[i].offset - last.offset);
    out = WriteVarint(out, Fold(pairs[i].position - last.position));
    last = pairs[i];
  }
  static_cast<Entry*>(directory_.data())[next_ % kMaxTables] = {used_, static_cast<uint32_t>(count), span};
  used_ += bytes;
  next_++;
  for (; next_ - oldest_ > kMaxTables || used_ - At(oldest_).begin > kMaxBytes; oldest_++) {
    overwritten_ += At(oldest_).count > 0;
  }
  return next_ - 1;
}

void LineTables::Release(uint32_t table) noexcept {
  if (!Has(table)) return;
  Entry* entries = static_cast<Entry*>(directory_.data());
  entries[table % kMaxTables].count = 0;
  for (; next_ > oldest_ && At(next_ - 1).count == 0; next_--) used_ = At(next_ - 1).begin;
}

const LineTables::Entry& LineTables::At(uint32_t table) const noexcept {
  return static_cast<const Entry*>(directory_.data())[table % kMaxTables];
}

bool LineTables::Has(uint32_t table) const noexcept { return table >= oldest_ && table < next_ && At(table).count > 0; }

int32_t LineTables::PositionAt(uint32_t table, uint32_t offset) const noexcept {
  if (!Has(table)) return -1;
  Reader reader(*this, At(table));
  int32_t position = -1;
  for (LinePosition pair; reader.Next(pair) && pair.offset <= offset;) position = static_cast<int32_t>(pair.position);
  return position;
}

bool LineTables::GetSpan(uint32_t table, Span& span) const noexcept {
  if (!Has(table)) return false;
  span = At(table).span;
  return true;
}

bool LineTables::Holds(uint32_t table, uint32_t position) const noexcept {
  if (!Has(table)) return false;
  const Entry& entry = At(table);
  if (position < entry.span.low || position > entry.span.high) return false;
  Reader reader(*this, entry);
  for (LinePosition pair; reader.Next(pair);) {
    if (pair.position == position) return true;
  }
  return false;
}

size_t LineTables::Copy(uint32_t table, LinePosition* out, size_t capacity) const noexcept {
  if (!Has(table)) return 0;
  Reader reader(*this, At(table));
  size_t count = 0;
  while (count < capacity && reader.Next(out[count])) count++;
  return count;
}

}  // namespace tidemark
