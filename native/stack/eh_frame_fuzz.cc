// Any bytes as unwind data: as they are, and behind a header and a list that lead to them. Nothing outside them may be
// read, and rows must come out sorted, inside the code, and closed by "nothing is known".

#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "stack/eh_frame_images.h"

using namespace tidemark;

static void Require(bool holds, const char* what) {
  if (holds) return;
  fprintf(stderr, "%s\n", what);
  abort();
}

static void Read(const images::Bytes& image) {
  const images::Guarded memory(image);
  EhFrame frame;
  if (!frame.Open(memory.address(), memory.readable)) return;
  // Code is wherever pc-relative addresses lead, half of it below the data.
  constexpr uint64_t kCodeBytes = uint64_t{1} << 24;
  const AddressRange code = {memory.address() - kCodeBytes / 2, memory.address() + kCodeBytes / 2};
  constexpr size_t kMaxRows = 10'000;
  MappedArray<UnwindRow> rows;
  for (size_t i = 0; i < frame.size(); i++) {
    if (!frame.AppendRows(i, code, kMaxRows, rows)) {
      Require(rows.size() <= kMaxRows, "more rows than allowed");
      return;
    }
    for (size_t r = 1; r < rows.size(); r++) {
      Require(rows[r - 1].offset < rows[r].offset, "rows out of order");
      Require(!(rows[r - 1].rule == rows[r].rule), "equal neighbours");
    }
    if (rows.size() == 0) continue;
    Require(rows[rows.size() - 1].offset <= kCodeBytes, "a row outside the code");
    Require(rows[rows.size() - 1].rule == UnwindRule(RuleKind::kNone), "rows without an end");
  }
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const images::Bytes bytes(data, data + size);
  Read(bytes);
  // The first byte chooses where the instructions that all descriptions share end.
  if (size < 2) return 0;
  const size_t split = 1 + bytes[0] % (size - 1);
  const auto at = [&](size_t i) { return bytes.begin() + static_cast<long>(i); };
  const images::Bytes shared(at(1), at(split));
  const images::Bytes own(at(split), at(size));
  Read(images::MakeEhFrame({{0, 256, own}, {128, 512, shared}, {4096, 16, own}}, shared));
  Read(images::MakeEhFrame({{0, 256, own}, {300, 16, {}}}));
  return 0;
}
