// A slow parser of maps and smaps, for tests and fuzzers: line by line, key by key, nothing learnt, nothing kept in
// columns. What the fast one must agree with on any text, in its rows, in whether it fails and on which line.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "proc/maps.h"
#include "proc/smaps.h"

namespace tidemark::reference {

struct Header {
  uint64_t start, end, offset, major, minor, inode;
  std::string perms, name;
};

struct Record {
  Header header;
  std::map<std::string, double> fields;  // by key as printed; bytes where the line says kB
  std::string flags;
};

struct Parsed {
  std::vector<Record> records;
  size_t bad_line = 0;  // from 1; 0 is success
};

// Takes the characters of `set` at the front of `text`.
inline std::string TakeSome(std::string_view& text, const char* set) {
  const size_t n = std::min(text.find_first_not_of(set), text.size());
  const std::string taken(text.substr(0, n));
  text.remove_prefix(n);
  return taken;
}

inline bool TakeNumber(std::string_view& text, int base, uint64_t& value) {
  const std::string digits = TakeSome(text, base == 16 ? "0123456789abcdef" : "0123456789");
  if (digits.empty() || digits.size() > (base == 16 ? 16 : 20)) return false;
  value = 0;
  for (const char c : digits) {  // modulo 2^64, where 20 decimal digits overflow
    value = value * static_cast<uint64_t>(base) + static_cast<uint64_t>(c <= '9' ? c - '0' : c - 'a' + 10);
  }
  return true;
}

inline bool TakeChar(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

inline bool ParseHeader(std::string_view line, Header& h) {
  if (!TakeNumber(line, 16, h.start) || !TakeChar(line, '-') || !TakeNumber(line, 16, h.end)) return false;
  if (!TakeChar(line, ' ') || line.size() < 4) return false;
  h.perms = line.substr(0, 4);
  line.remove_prefix(4);
  for (size_t i = 0; i < 4; i++) {
    const char* allowed[] = {"r-", "w-", "x-", "sp"};
    if (std::string_view(allowed[i]).find(h.perms[i]) == std::string_view::npos) return false;
  }
  if (!TakeChar(line, ' ') || !TakeNumber(line, 16, h.offset) || !TakeChar(line, ' ')) return false;
  if (!TakeNumber(line, 16, h.major) || !TakeChar(line, ':') || !TakeNumber(line, 16, h.minor)) return false;
  if (!TakeChar(line, ' ') || !TakeNumber(line, 10, h.inode)) return false;
  if (h.start >= h.end || (!line.empty() && line.front() != ' ')) return false;
  TakeSome(line, " ");
  h.name = line;
  return true;
}

// The number of a field line after its colon, in bytes; false when the rest of the line is no number.
inline bool ParseValue(std::string_view text, double& value) {
  TakeSome(text, " \t");
  const std::string digits = TakeSome(text, "0123456789");
  if (digits.empty() || digits.size() > 19 || (text != "" && text != " kB")) return false;
  value = static_cast<double>(std::strtoull(digits.c_str(), nullptr, 10)) * (text.empty() ? 1 : 1024);
  return true;
}

// Each line of `text`, without its newline; the last one is torn when `text` does not end in a newline.
inline std::vector<std::string_view> Lines(std::string_view text, bool& torn) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t newline = text.find('\n');
    torn = newline == std::string_view::npos;
    lines.push_back(text.substr(0, newline));
    text.remove_prefix(torn ? text.size() : newline + 1);
  }
  return lines;
}

inline Parsed ParseMapsText(std::string_view text) {
  Parsed result;
  bool torn = false;
  const std::vector<std::string_view> lines = Lines(text, torn);
  for (size_t i = 0; i < lines.size(); i++) {
    Record record;
    if ((torn && i + 1 == lines.size()) || !ParseHeader(lines[i], record.header)) {
      result.bad_line = i + 1;
      break;
    }
    result.records.push_back(record);
  }
  return result;
}

const std::map<std::string, int>& CellsByKey();

// A record counts once the next one has begun or the text has ended, on a whole line.
inline Parsed ParseSmapsText(std::string_view text) {
  Parsed result;
  bool torn = false;
  const std::vector<std::string_view> lines = Lines(text, torn);
  bool open = false;
  Record record;
  const auto close = [&] {
    if (open) result.records.push_back(record);
    open = false;
    record = {};
  };
  for (size_t i = 0; i < lines.size(); i++) {
    const std::string_view line = lines[i];
    const bool is_field = open && !line.empty() && line.front() >= 'A' && line.front() <= 'Z';
    if (!is_field) close();
    result.bad_line = i + 1;
    if (torn && i + 1 == lines.size()) return result;
    if (!is_field) {
      if (!ParseHeader(line, record.header)) return result;
      open = true;
    } else {
      const size_t colon = line.find(':');
      if (colon == std::string_view::npos) return result;
      const std::string key(line.substr(0, colon));
      std::string_view rest = line.substr(colon + 1);
      double value;
      if (key == "VmFlags") {
        TakeSome(rest, " ");
        record.flags = rest.substr(0, rest.find_last_not_of(' ') + 1);
      } else if (ParseValue(rest, value)) {
        record.fields[key] = value;
      } else if (key == "Size" || CellsByKey().count(key) == 0) {
        // nothing that is kept
      } else {
        return result;
      }
    }
    result.bad_line = 0;
  }
  close();
  return result;
}

inline const std::map<std::string, int>& CellsByKey() {
  static const std::map<std::string, int> cells = {
      {"KernelPageSize", kKernelPageSize},
      {"MMUPageSize", kMmuPageSize},
      {"Rss", kRss},
      {"Pss", kPss},
      {"Pss_Dirty", kPssDirty},
      {"Shared_Clean", kSharedClean},
      {"Shared_Dirty", kSharedDirty},
      {"Private_Clean", kPrivateClean},
      {"Private_Dirty", kPrivateDirty},
      {"Referenced", kReferenced},
      {"Anonymous", kAnon},
      {"KSM", kKsm},
      {"LazyFree", kLazyFree},
      {"AnonHugePages", kAnonHuge},
      {"ShmemPmdMapped", kShmemHuge},
      {"FilePmdMapped", kFileHuge},
      {"Shared_Hugetlb", kSharedHugetlb},
      {"Private_Hugetlb", kPrivateHugetlb},
      {"Swap", kSwap},
      {"SwapPss", kSwapPss},
      {"Locked", kLocked},
      {"THPeligible", kThpEligible},
      {"ProtectionKey", kProtectionKey},
  };
  return cells;
}

inline uint32_t PermBits(const std::string& perms) {
  return (perms[0] == 'r' ? kRead : 0u) | (perms[1] == 'w' ? kWrite : 0u) | (perms[2] == 'x' ? kExecute : 0u) |
         (perms[3] == 's' ? kShared : 0u);
}

inline uint32_t DeviceBits(const Header& h) { return static_cast<uint32_t>(h.major << 20 | (h.minor & 0xfffff)); }

// "" where `row` says the same as `expected`, else the first thing that differs.
inline std::string Difference(const SmapsTable& table, size_t row, const Record& expected) {
  const double* cell = table.rows[row].cell;
  const auto differs = [&](const std::string& what, double is, double should) {
    return "row " + std::to_string(row) + " " + what + " is " + std::to_string(is) + ", not " + std::to_string(should);
  };
  const Header& h = expected.header;
  const std::pair<int, double> header[] = {{kStart, static_cast<double>(h.start)},
                                           {kEnd, static_cast<double>(h.end)},
                                           {kOffset, static_cast<double>(h.offset)},
                                           {kInode, static_cast<double>(h.inode)},
                                           {kDevice, DeviceBits(h)},
                                           {kPerms, PermBits(h.perms)},
                                           {kOwner, 0}};
  for (const auto& [index, value] : header) {
    if (cell[index] != value) return differs("cell " + std::to_string(index), cell[index], value);
  }
  for (const auto& [key, index] : CellsByKey()) {
    const auto field = expected.fields.find(key);
    const double value = field == expected.fields.end() ? 0 : field->second;
    if (cell[index] != value) return differs(key, cell[index], value);
  }
  if (table.names.At(static_cast<size_t>(cell[kName])) != h.name) return "name is not " + h.name;
  if (table.flags.At(static_cast<size_t>(cell[kFlags])) != expected.flags) return "flags are not " + expected.flags;
  return "";
}

inline std::string Difference(const MapsTable& table, size_t row, const Record& expected) {
  const MapsRow& is = table.rows[row];
  const Header& h = expected.header;
  const bool same = is.start == h.start && is.end == h.end && is.offset == h.offset && is.inode == h.inode &&
                    is.perms == PermBits(h.perms) && is.device == DeviceBits(h) && table.names.At(is.name) == h.name;
  return same ? "" : "row " + std::to_string(row) + " (" + h.name + ") differs";
}

// "" where a parse that ended with `bad_line` (0: none) has the answer of the reference.
template <class Table>
std::string Difference(const Table& table, size_t bad_line, const Parsed& expected) {
  if (bad_line != expected.bad_line) {
    return "failed at line " + std::to_string(bad_line) + ", not " + std::to_string(expected.bad_line);
  }
  if (table.rows.size() != expected.records.size()) {
    return std::to_string(table.rows.size()) + " rows, not " + std::to_string(expected.records.size());
  }
  for (size_t i = 0; i < expected.records.size(); i++) {
    const std::string difference = Difference(table, i, expected.records[i]);
    if (!difference.empty()) return difference;
  }
  return "";
}

// Feeds `text` in pieces of `chunk` bytes, keeping what is not consumed in front of the next piece, as text_stream.h
// does. Returns the line that failed, 0 for success.
inline size_t ParseSmapsChunked(std::string_view text, size_t chunk, SmapsTable& table) {
  SmapsParser parser(table);
  std::string held;
  for (size_t at = 0;; at += chunk) {
    const bool last = at >= text.size();
    if (!last) held += text.substr(at, chunk);
    const ssize_t used = parser.Parse(held, last);
    if (used < 0) return parser.line();
    held.erase(0, static_cast<size_t>(used));
    if (last) return 0;
  }
}

inline size_t ParseMapsChunked(std::string_view text, size_t chunk, MapsTable& table) {
  std::string held;
  size_t line = 1;
  int error = 0;
  for (size_t at = 0;; at += chunk) {
    const bool last = at >= text.size();
    if (!last) held += text.substr(at, chunk);
    held.erase(0, ParseMaps(held, last, table, line, error));
    if (error != 0) return line;
    if (last) return 0;
  }
}

}  // namespace tidemark::reference
