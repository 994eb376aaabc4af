#include "proc/maps.h"

#include <algorithm>
#include <cerrno>

#include "proc/text_stream.h"

namespace tidemark {
namespace {

// Reads hex or decimal digits up to a 64-bit value; false when there are none or too many.
bool Hex(const char*& p, const char* end, uint64_t& value) noexcept {
  const char* begin = p;
  uint64_t v = 0;
  for (; p < end; p++) {
    const unsigned c = static_cast<unsigned char>(*p);
    if (c - '0' < 10u) {
      v = v << 4 | (c - '0');
    } else if (c - 'a' < 6u) {
      v = v << 4 | (c - 'a' + 10);
    } else {
      break;
    }
  }
  value = v;
  return p != begin && p - begin <= 16;
}

bool Decimal(const char*& p, const char* end, uint64_t& value) noexcept {
  const char* begin = p;
  uint64_t v = 0;
  for (; p < end && *p >= '0' && *p <= '9'; p++) v = v * 10 + static_cast<uint64_t>(*p - '0');
  value = v;
  return p != begin && p - begin <= 20;
}

bool Take(const char*& p, const char* end, char c) noexcept {
  if (p == end || *p != c) return false;
  p++;
  return true;
}

bool TakePerm(const char*& p, char set, uint32_t bit, uint32_t& perms) noexcept {
  const char c = *p++;
  if (c == set) perms |= bit;
  return c == set || c == '-';
}

bool ParsePerms(const char*& p, const char* end, uint32_t& perms) noexcept {
  if (end - p < 4) return false;
  perms = 0;
  if (!TakePerm(p, 'r', kRead, perms) || !TakePerm(p, 'w', kWrite, perms) || !TakePerm(p, 'x', kExecute, perms)) {
    return false;
  }
  const char sharing = *p++;
  if (sharing == 's') perms |= kShared;
  return sharing == 's' || sharing == 'p';
}

}  // namespace

bool ParseMapsLine(std::string_view line, MapsLine& out) noexcept {
  const char* p = line.data();
  const char* const end = p + line.size();
  uint64_t major = 0;
  uint64_t minor = 0;
  const bool numbers = Hex(p, end, out.start) && Take(p, end, '-') && Hex(p, end, out.end) && Take(p, end, ' ') &&
                       ParsePerms(p, end, out.perms) && Take(p, end, ' ') && Hex(p, end, out.offset) &&
                       Take(p, end, ' ') && Hex(p, end, major) && Take(p, end, ':') && Hex(p, end, minor) &&
                       Take(p, end, ' ') && Decimal(p, end, out.inode);
  if (!numbers || out.start >= out.end || (p < end && *p != ' ')) return false;
  out.device = static_cast<uint32_t>(major << 20 | (minor & 0xfffff));
  while (p < end && *p == ' ') p++;
  out.name = {p, static_cast<size_t>(end - p)};
  return true;
}

size_t ParseMaps(std::string_view text, bool last, MapsTable& table, size_t& line, int& error) noexcept {
  size_t at = 0;
  while (at < text.size()) {
    const size_t newline = text.find('\n', at);
    if (newline == std::string_view::npos) {
      if (last) error = kBadFormat;
      return at;
    }
    MapsLine parsed;
    if (!ParseMapsLine(text.substr(at, newline - at), parsed)) {
      error = kBadFormat;
      return at;
    }
    const uint32_t name = table.names.Intern(parsed.name);
    MapsRow* row = name == StringTable::kFull ? nullptr : table.rows.Append();
    if (row == nullptr) {
      error = ENOMEM;
      return at;
    }
    *row = {parsed.start, parsed.end, parsed.offset, parsed.inode, parsed.perms, parsed.device, name};
    at = newline + 1;
    line++;
  }
  return at;
}

void DropSuperseded(MappedArray<MapsRow>& rows) noexcept {
  size_t kept = 0;
  for (size_t i = 0; i < rows.size(); i++) {
    const MapsRow row = rows[i];
    while (kept > 0 && rows[kept - 1].start >= row.start) kept--;
    if (kept > 0) rows[kept - 1].end = std::min(rows[kept - 1].end, row.start);
    rows[kept++] = row;
  }
  rows.Shrink(rows.size() - kept);
}

Failure ReadMaps(pid_t pid, MapsTable& table) noexcept {
  const ProcPath path(pid, "maps");
  const UniqueFd fd = OpenProc(path);
  if (!fd) return FailureAt(path, errno);
  size_t line = 1;
  const int error = StreamText(fd.get(), [&](std::string_view text, bool last) -> ssize_t {
    int failed = 0;
    const size_t used = ParseMaps(text, last, table, line, failed);
    return failed != 0 ? -failed : static_cast<ssize_t>(used);
  });
  DropSuperseded(table.rows);
  return error == 0 ? Failure{} : FailureAt(path, error, error == kBadFormat ? line : 0);
}

}  // namespace tidemark
