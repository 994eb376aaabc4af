#include "proc/smaps.h"

#include <cerrno>
#include <cstring>

#include "proc/maps.h"
#include "proc/text_stream.h"

namespace tidemark {
namespace {

constexpr int kNoCell = -1;
constexpr size_t kKeyColumns = 16;
constexpr size_t kNumberColumns = 8;
constexpr size_t kPlainLine = kKeyColumns + kNumberColumns + 1;  // "THPeligible:           0\n"
constexpr size_t kKilobyteLine = kPlainLine + 3;                 // "Rss:                 120 kB\n"

struct Field {
  std::string_view key;
  int cell;
};

constexpr Field kFields[] = {
    {"Size", kNoCell},  // end - start; the printed value is the one that overflows its column
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

int CellOf(std::string_view key) noexcept {
  for (const Field& field : kFields) {
    if (field.key == key) return field.cell;
  }
  return kNoCell;
}

bool IsFieldStart(char c) noexcept { return c >= 'A' && c <= 'Z'; }

// Eight columns of a right-aligned, space-padded decimal, all at once: a space is zero in its low four bits.
// False when a column holds anything else.
bool EightColumns(const char* p, uint64_t& value) noexcept {
  uint64_t x;
  std::memcpy(&x, p, sizeof x);
  const uint64_t digits = x & 0x0f0f0f0f0f0f0f0f;
  // High half of each byte: 3 for a digit, 2 for a space (whose low half must be 0).
  const uint64_t high = x & 0xf0f0f0f0f0f0f0f0;
  const uint64_t is_digit = (high >> 4) & 0x0101010101010101;
  if ((high | 0x1010101010101010) != 0x3030303030303030) return false;
  if (((digits + 0x0606060606060606) & 0xf0f0f0f0f0f0f0f0) != 0) return false;
  if ((digits & ~(is_digit * 0x0f)) != 0) return false;
  constexpr uint64_t kLastColumn = uint64_t{1} << 56;
  if ((is_digit & kLastColumn) == 0 || (is_digit & ~(is_digit >> 8 | kLastColumn)) != 0) return false;  // "1 2", "1  "
  uint64_t v = digits;  // little-endian: the first column is the lowest byte
  v = v * 10 + (v >> 8);
  v = ((v & 0x000000ff000000ff) * 0x000f424000000064 + ((v >> 16) & 0x000000ff000000ff) * 0x0000271000000001) >> 32;
  value = v;
  return true;
}

// "   120 kB" or "   1": a number and perhaps its unit, nothing else.
bool NumberAndUnit(std::string_view text, double& value, int& scale) noexcept {
  size_t i = 0;
  while (i < text.size() && (text[i] == ' ' || text[i] == '\t')) i++;
  const size_t begin = i;
  uint64_t v = 0;
  while (i < text.size() && text[i] >= '0' && text[i] <= '9') v = v * 10 + static_cast<uint64_t>(text[i++] - '0');
  if (i == begin || i - begin > 19) return false;
  const std::string_view unit = text.substr(i);
  if (unit != "" && unit != " kB") return false;
  scale = unit.empty() ? 1 : 1024;
  value = static_cast<double>(v) * scale;
  return true;
}

}  // namespace

bool SmapsParser::Learn(const char* line, int cell, int scale) noexcept {
  if (known_count_ == kMaxKnown) return false;
  Known& known = known_[known_count_++];
  std::memcpy(known.key, line, kKeyColumns);
  known.cell = cell;
  known.scale = scale;
  return true;
}

bool SmapsParser::ParseFlags(std::string_view line, SmapsRow& row) noexcept {
  line.remove_prefix(std::string_view("VmFlags:").size());
  while (!line.empty() && line.front() == ' ') line.remove_prefix(1);
  while (!line.empty() && line.back() == ' ') line.remove_suffix(1);
  const uint32_t id = table_.flags.Intern(line);
  if (id == StringTable::kFull) return false;
  row.cell[kFlags] = id;
  return true;
}

// The end of the fields, or null when this record is not like the first one.
const char* SmapsParser::ParseFieldsByPosition(const char* p, const char* end, SmapsRow& row) noexcept {
  size_t lines = static_cast<size_t>(known_count_);
  for (int i = 0; i < known_count_; i++) {
    const Known& known = known_[i];
    const size_t length = known.scale == 1 ? kPlainLine : kKilobyteLine;
    if (static_cast<size_t>(end - p) < length) return nullptr;
    uint64_t key[2];
    std::memcpy(key, p, kKeyColumns);
    uint64_t value;
    const char* unit = p + kPlainLine - 1;
    const bool ends = known.scale == 1 ? *unit == '\n' : std::memcmp(unit, " kB\n", 4) == 0;
    if (key[0] != known.key[0] || key[1] != known.key[1] || !ends || !EightColumns(p + kKeyColumns, value)) {
      return nullptr;
    }
    if (known.cell != kNoCell) row.cell[known.cell] = static_cast<double>(value * static_cast<uint64_t>(known.scale));
    p += length;
  }
  // Only VmFlags, of no fixed length, may be left.
  constexpr std::string_view kFlagsKey = "VmFlags:";
  if (std::string_view(p, static_cast<size_t>(end - p)).substr(0, kFlagsKey.size()) == kFlagsKey) {
    const char* newline = static_cast<const char*>(std::memchr(p, '\n', static_cast<size_t>(end - p)));
    if (!ParseFlags({p, static_cast<size_t>(newline - p)}, row)) return nullptr;
    p = newline + 1;
    lines++;
  }
  if (p < end && IsFieldStart(*p)) return nullptr;
  line_ += lines;
  return p;
}

// The end of the fields, or null when a known field has no number; `line_` is then that line.
const char* SmapsParser::ParseFieldsByKey(const char* p, const char* end, SmapsRow& row) noexcept {
  const bool learn = !learnt_;
  bool regular = true;
  if (learn) known_count_ = 0;
  while (p < end && IsFieldStart(*p)) {
    const char* newline = static_cast<const char*>(std::memchr(p, '\n', static_cast<size_t>(end - p)));
    const std::string_view line(p, static_cast<size_t>(newline - p));
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) return nullptr;
    if (line.substr(0, colon) == "VmFlags") {
      if (!ParseFlags(line, row)) {
        out_of_memory_ = true;
        return nullptr;
      }
    } else {
      const int cell = CellOf(line.substr(0, colon));
      double value;
      int scale;
      if (NumberAndUnit(line.substr(colon + 1), value, scale)) {
        if (cell != kNoCell) row.cell[cell] = value;
        regular = regular && line.size() + 1 == (scale == 1 ? kPlainLine : kKilobyteLine);
        // Digits among the key columns would be compared and not read.
        regular = regular && line.find_first_not_of(' ', colon + 1) >= kKeyColumns;
        if (learn && regular) regular = Learn(p, cell, scale);
      } else if (cell != kNoCell) {
        return nullptr;  // a field we know, in a form we do not
      } else {
        regular = false;
      }
    }
    line_++;
    p = newline + 1;
  }
  if (learn) learnt_ = regular && known_count_ > 0;
  return p;
}

ssize_t SmapsParser::Parse(std::string_view text, bool last) noexcept {
  // Only whole lines are looked at; what follows the last newline waits for more text, or is torn if none will come.
  const size_t last_newline = text.rfind('\n');
  const size_t whole_lines = last_newline == std::string_view::npos ? 0 : last_newline + 1;
  const bool torn = last && whole_lines < text.size();
  const bool torn_field = torn && IsFieldStart(text[whole_lines]);
  const char* const begin = text.data();
  const char* const end = begin + whole_lines;
  const char* p = begin;
  while (p < end) {
    const char* fields = static_cast<const char*>(std::memchr(p, '\n', static_cast<size_t>(end - p))) + 1;
    MapsLine header;
    if (!ParseMapsLine({p, static_cast<size_t>(fields - 1 - p)}, header)) return -kBadFormat;
    SmapsRow row = {};
    row.cell[kFlags] = kNoCell;
    const size_t header_line = line_++;
    const bool learnt = learnt_;
    const char* stop = learnt_ ? ParseFieldsByPosition(fields, end, row) : nullptr;
    if (stop == nullptr) {
      row = {};
      row.cell[kFlags] = kNoCell;
      stop = ParseFieldsByKey(fields, end, row);
    }
    if (stop == nullptr) return out_of_memory_ ? -ENOMEM : -kBadFormat;
    if (stop == end && torn_field) break;
    if (stop == end && !last) {  // its fields may go on in the next text
      line_ = header_line;
      learnt_ = learnt;  // nothing from half a record
      return p - begin;
    }
    if (row.cell[kFlags] < 0 && !ParseFlags("VmFlags:", row)) return -ENOMEM;
    row.cell[kStart] = static_cast<double>(header.start);
    row.cell[kEnd] = static_cast<double>(header.end);
    row.cell[kPerms] = header.perms;
    row.cell[kOffset] = static_cast<double>(header.offset);
    row.cell[kDevice] = header.device;
    row.cell[kInode] = static_cast<double>(header.inode);
    const uint32_t name = table_.names.Intern(header.name);
    SmapsRow* slot = name == StringTable::kFull ? nullptr : table_.rows.Append();
    if (slot == nullptr) return -ENOMEM;
    row.cell[kName] = name;
    *slot = row;
    p = stop;
  }
  return torn ? -kBadFormat : p - begin;
}

Failure ReadSmaps(pid_t pid, SmapsTable& table) noexcept {
  const ProcPath path(pid, "smaps");
  const UniqueFd fd = OpenProc(path);
  if (!fd) return FailureAt(path, errno);
  SmapsParser parser(table);
  const int error = StreamText(fd.get(), [&](std::string_view text, bool last) { return parser.Parse(text, last); });
  return error == 0 ? Failure{} : FailureAt(path, error, error == kBadFormat ? parser.line() : 0);
}

}  // namespace tidemark
