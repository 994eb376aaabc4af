// Any text, whole and in chunks, against the slow reference parser. The first byte chooses the size of the chunks.

#include <cstdint>
#include <cstdio>

#include "proc/smaps_reference.h"

using namespace tidemark;

static void Check(const char* how, const std::string& difference) {
  if (difference.empty()) return;
  fprintf(stderr, "%s: %s\n", how, difference.c_str());
  abort();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  // Not below a 128th of it: a record is looked at anew with each piece of it, which is square in the number of pieces.
  const size_t chunk = 1 + data[0] * size_t{16} + size / 128;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const reference::Parsed expected = reference::ParseMapsText(text);
  MapsTable whole;
  size_t line = 1;
  int error = 0;
  ParseMaps(text, true, whole, line, error);
  Check("whole", reference::Difference(whole, error != 0 ? line : 0, expected));
  MapsTable chunked;
  Check("chunked", reference::Difference(chunked, reference::ParseMapsChunked(text, chunk, chunked), expected));
  return 0;
}
