// Names of JavaScript functions as a profile shows them: the code map gives as much as fits and says how long the whole
// is, and a name may be very long (that of a script imported from a data: URL is the whole script). Cut, and between
// two characters, never in one.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "stack/code_map.h"

namespace tidemark {

constexpr size_t kMaxJsNameBytes = 4096;  // V8 itself stops there

// The beginning of `text`, UTF-8, that has at most `limit` bytes.
inline std::string_view CutBetweenCharacters(std::string_view text, size_t limit) noexcept {
  if (text.size() <= limit) return text;
  while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xC0) == 0x80) limit--;
  return text.substr(0, limit);
}

// The name with this number in the code map, kept in `buffer`.
inline std::string_view CopyJsName(CodeMap& map, uint32_t name, char (&buffer)[kMaxJsNameBytes + 1]) noexcept {
  const size_t length = std::min(map.CopyName(name, buffer, sizeof buffer), sizeof buffer);
  return CutBetweenCharacters({buffer, length}, kMaxJsNameBytes);
}

}  // namespace tidemark
