#include "stack/code_map.h"

#include <algorithm>
#include <cstring>
#include <new>

namespace tidemark {
namespace {

// Places of the log, found by the address where the code begins; half of them stay empty.
constexpr size_t kIndexSlots = 2 * CodeMap::kLogEntries;
static_assert(CodeMap::kLogEntries < UINT16_MAX, "places are kept in 16 bits, one up");
// V8 reports the tables of a few functions at most before it adds the first of them.
constexpr size_t kPendingSlots = 4096;
constexpr uint32_t kOldest = uint32_t{1} << 30;
// What a name costs beside its text: its places in the string table and its row in name_info_.
constexpr size_t kNameOverhead = 64;
constexpr std::string_view kDroppedName = "(name dropped)";
constexpr size_t kNameRoom = CodeMap::kMaxNameBytes - kNameOverhead - kDroppedName.size();

size_t Slot(uint64_t start, size_t slots) noexcept { return (start * 0x9e3779b97f4a7c15 >> 32) & (slots - 1); }

constexpr uint64_t kAddressMask = (uint64_t{1} << 48) - 1;  // of what user space can have

uint16_t IsolateHash(uint64_t isolate) noexcept { return static_cast<uint16_t>(isolate * 0x9e3779b97f4a7c15 >> 48); }

uint64_t Hash(std::string_view s) noexcept {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : s) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash == 0 ? 1 : hash;
}

bool StartsWith(std::string_view s, std::string_view prefix) noexcept { return s.substr(0, prefix.size()) == prefix; }

// Without `:line:column` at the end; all of it when it has none.
std::string_view WithoutLineAndColumn(std::string_view s) noexcept {
  size_t end = s.size();
  for (int field = 0; field < 2; field++) {
    size_t digits = end;
    while (digits > 0 && s[digits - 1] >= '0' && s[digits - 1] <= '9') digits--;
    if (digits == end || digits == 0 || s[digits - 1] != ':') return s;
    end = digits - 1;
  }
  return s.substr(0, end);
}

// `JS:o*'resize /app/thumbs.js:41:17` -> `resize /app/thumbs.js:41:17`: the same whoever compiled it.
std::string_view WithoutCompiler(std::string_view name) noexcept {
  const size_t colon = name.find(':');
  if (colon == std::string_view::npos) return name;
  std::string_view rest = name.substr(colon + 1);
  const size_t marker = rest.size() > 1 && rest[0] == 'o' && std::string_view("~^+*").find(rest[1]) != rest.npos;
  if (rest.empty() || std::string_view("~^+*").find(rest[marker]) == rest.npos) return rest;
  rest.remove_prefix(marker + 1);
  if (!rest.empty() && rest[0] == '\'') rest.remove_prefix(1);
  return rest;
}

// Function names and paths may hold spaces: a path begins where one visibly does, or else after the last space.
std::string_view ScriptOf(std::string_view function) noexcept {
  const std::string_view place = WithoutLineAndColumn(function);
  size_t begin = std::string_view::npos;
  for (const std::string_view root : {" /", " node:", " file://"}) begin = std::min(begin, place.find(root));
  if (begin == std::string_view::npos) begin = place.rfind(' ');
  return begin == std::string_view::npos ? std::string_view{} : place.substr(begin + 1);
}

bool IsFile(std::string_view script) noexcept {
  return StartsWith(script, "/") || StartsWith(script, "node:") || script.find("://") != std::string_view::npos;
}

}  // namespace

CodeMap& JsCode() noexcept {
  // Never destroyed: other threads report code until the process is gone.
  alignas(CodeMap) static unsigned char memory[sizeof(CodeMap)];
  static CodeMap& map = *new (memory) CodeMap();
  return map;
}

void CodeMap::SetCapacity(uint32_t capacity) noexcept {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (log_.data() == nullptr) capacity_ = capacity;
}

// Takes the memory that the map needs to work at all, once.
bool CodeMap::Prepare() noexcept {
  if (log_.data() != nullptr) return true;
  if (entries_.data() == nullptr) {
    if (entries_.Append(capacity_ + kLogEntries) == nullptr) return false;
    entries_.Shrink(entries_.size());
  }
  if (log_index_.data() == nullptr) log_index_ = OwnMapping(kIndexSlots * sizeof(uint16_t));
  if (pending_.data() == nullptr) pending_ = OwnMapping(kPendingSlots * sizeof(Pending));
  if (log_index_.data() == nullptr || pending_.data() == nullptr || log_.Append(kLogEntries) == nullptr) return false;
  log_.Shrink(kLogEntries);
  return true;
}

void CodeMap::Add(uint64_t start, uint32_t length, std::string_view name, CodeKind kind, uint64_t isolate) noexcept {
  const std::lock_guard<std::mutex> lock(mutex_);
  const uint32_t id = Prepare() ? InternName(name) : kNone;
  if (id == kNone) {
    counts_.dropped++;
    return;
  }
  counts_.added++;
  Entry entry = {};
  entry.start = start & kAddressMask;
  entry.isolate = IsolateHash(isolate);
  entry.length = std::clamp<uint32_t>(length, 1, (1U << 28) - 1);
  entry.kind = static_cast<uint32_t>(name_info_[id].kind);
  entry.bytecode = kind == CodeKind::kBytecode;
  entry.name = id;
  entry.lines = LineTables::kNone;
  Pending& pending = static_cast<Pending*>(pending_.data())[Slot(start, kPendingSlots)];
  if (pending.start == start) {
    // A position is of no use where there is no file to find it in, and code without one may come by the thousand.
    if (name_info_[id].kind == Class::kWithoutFile) {
      lines_.Release(pending.lines);
    } else if (pending.collection == collections_.load(std::memory_order_relaxed)) {
      entry.lines = pending.lines;
    }
    pending = {};
  }
  Append(entry);
}

void CodeMap::Move(uint64_t from, uint64_t to) noexcept {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!Prepare()) {
    counts_.dropped++;
    return;
  }
  Pending* pending = static_cast<Pending*>(pending_.data());
  Pending& before = pending[Slot(from, kPendingSlots)];
  if (before.start == from && from != to) {
    pending[Slot(to, kPendingSlots)] = {to, before.lines, before.collection};
    before = {};
  }

  Entry* known = FindStart(from);
  if (known == nullptr || known->left) {
    // Code that we were never told of. Whatever we believe to be where it is now is not there any more.
    counts_.dropped++;
    Entry unknown = {};
    unknown.start = to & kAddressMask;
    unknown.length = 1;
    unknown.kind = static_cast<uint32_t>(Class::kWithoutFile);
    unknown.left = true;
    unknown.name = kNone;
    unknown.lines = LineTables::kNone;
    Append(unknown);
    return;
  }
  counts_.moved++;
  Entry moved = *known;
  moved.start = to & kAddressMask;
  Leave(*known);
  Append(moved);
}

// What is not alive, but may still have to be named.
void CodeMap::Leave(Entry& entry) noexcept {
  entry.left = true;
  entry.kind = static_cast<uint32_t>(Class::kWithoutFile);
  entry.age = NextAge();
}

void CodeMap::Forget(uint64_t isolate) noexcept {
  const std::lock_guard<std::mutex> lock(mutex_);
  Merge();
  for (Entry& entry : entries_) {
    if (entry.isolate == IsolateHash(isolate) && !entry.left) Leave(entry);
  }
}

void CodeMap::SetLines(uint64_t start, const LinePosition* lines, size_t count) noexcept {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!Prepare()) {
    counts_.dropped++;
    return;
  }
  const uint32_t table = lines_.Store(lines, count);
  if (table == LineTables::kNone) return;
  Entry* known = FindStart(start);
  if (known != nullptr && !known->left) known->lines = table;
  Pending& pending = static_cast<Pending*>(pending_.data())[Slot(start, kPendingSlots)];
  pending = {start, table, collections_.load(std::memory_order_relaxed)};
}

// Gives the entry its age.
void CodeMap::Append(const Entry& entry) noexcept {
  if (log_.size() == kLogEntries) Merge();
  *log_.Append() = entry;
  log_[log_.size() - 1].age = NextAge();
  uint16_t* index = static_cast<uint16_t*>(log_index_.data());
  size_t slot = Slot(entry.start, kIndexSlots);
  while (index[slot] != 0 && log_[index[slot] - 1].start != entry.start) slot = (slot + 1) % kIndexSlots;
  index[slot] = static_cast<uint16_t>(log_.size());
}

uint32_t CodeMap::NextAge() noexcept {
  if (next_age_ == 2 * kOldest) {
    for (KeptArray<Entry>* part : {&entries_, &log_}) {
      for (Entry& entry : *part) entry.age = entry.age > kOldest ? entry.age - kOldest : 0;
    }
    next_age_ = kOldest;
  }
  return next_age_++;
}

// The newest entry that begins at `start`.
CodeMap::Entry* CodeMap::FindStart(uint64_t start) noexcept {
  const uint16_t* index = static_cast<const uint16_t*>(log_index_.data());
  for (size_t slot = Slot(start, kIndexSlots); index[slot] != 0; slot = (slot + 1) % kIndexSlots) {
    if (log_[index[slot] - 1].start == start) return &log_[index[slot] - 1];
  }
  Entry* found = std::lower_bound(entries_.begin(), entries_.end(), start,
                                  [](const Entry& e, uint64_t address) { return e.start < address; });
  return found != entries_.end() && found->start == start ? found : nullptr;
}

// Brings the log into the table.
void CodeMap::Merge() noexcept {
  if (log_.size() == 0) return;
  std::sort(log_.begin(), log_.end(),
            [](const Entry& a, const Entry& b) { return a.start != b.start ? a.start < b.start : a.age < b.age; });
  const size_t live = EndOverlapped();
  if (live > capacity_) Evict(live - capacity_);
  const auto ended = [](const Entry& e) { return e.length == 0; };
  entries_.Shrink(static_cast<size_t>(entries_.end() - std::remove_if(entries_.begin(), entries_.end(), ended)));
  log_.Shrink(static_cast<size_t>(log_.end() - std::remove_if(log_.begin(), log_.end(), ended)));

  // From the back, into the room that Prepare left there.
  size_t old = entries_.size();
  size_t fresh = log_.size();
  entries_.Append(fresh);
  for (size_t to = entries_.size(); fresh > 0;) {
    const bool take_old = old > 0 && entries_[old - 1].start > log_[fresh - 1].start;
    entries_[--to] = take_old ? entries_[--old] : log_[--fresh];
  }
  log_.Shrink(log_.size());
  std::memset(log_index_.data(), 0, kIndexSlots * sizeof(uint16_t));
}

// Ends (length 0) each entry of the table and of the sorted log that a newer one overlaps, and returns how many live.
size_t CodeMap::EndOverlapped() noexcept {
  // Those that reach beyond the address we are at, without those that a newer one outlasts: the newest, which ends
  // first, is last. Any two of them overlap, so only the newest can be alive.
  struct Open {
    uint64_t end;
    uint32_t age;
    Entry* entry;
  };
  MappedArray<Open> open;
  size_t live = entries_.size() + log_.size();
  const auto end_entry = [&live](Entry* entry) {
    if (entry->length == 0) return;
    entry->length = 0;
    live--;
  };
  Entry* old = entries_.begin();
  Entry* fresh = log_.begin();
  while (old != entries_.end() || fresh != log_.end()) {
    const bool take_old = fresh == log_.end() || (old != entries_.end() && old->start <= fresh->start);
    Entry* entry = take_old ? old++ : fresh++;
    const Open next = {entry->end(), entry->age, entry};
    while (open.size() > 0 && open[open.size() - 1].end <= entry->start) open.Shrink(1);
    if (open.size() > 0) {
      const Open& newest = open[open.size() - 1];
      end_entry(newest.age > entry->age ? entry : newest.entry);
    }
    size_t place = open.size();
    while (place > 0 && open[place - 1].age > next.age) place--;
    if (place < open.size() && open[place].end >= next.end) continue;
    size_t outlasted = place;
    while (outlasted > 0 && open[outlasted - 1].end <= next.end) outlasted--;
    if (outlasted == place) {
      // Without memory for a list of a few, forget the entry: it is unknown then, and never taken for another.
      if (open.Append() == nullptr) {
        end_entry(entry);
        continue;
      }
      std::memmove(open.data() + place + 1, open.data() + place, (open.size() - 1 - place) * sizeof(Open));
      open[place] = next;
    } else {
      open[outlasted] = next;
      std::memmove(open.data() + outlasted + 1, open.data() + place, (open.size() - place) * sizeof(Open));
      open.Shrink(place - outlasted - 1);
    }
  }
  return live;
}

// Ends `excess` entries: class after class, in each the oldest.
void CodeMap::Evict(size_t excess) noexcept {
  MappedArray<uint32_t> ages;
  for (const Class victim : {Class::kWithoutFile, Class::kWithFile, Class::kBuiltin}) {
    ages.Shrink(ages.size());
    const auto each = [this, victim](auto&& visit) {
      for (KeptArray<Entry>* part : {&entries_, &log_}) {
        for (Entry& entry : *part) {
          if (entry.length != 0 && entry.kind == static_cast<uint32_t>(victim)) visit(entry);
        }
      }
    };
    bool listed = true;
    each([&](const Entry& entry) {
      uint32_t* age = ages.Append();
      if (age == nullptr) {
        listed = false;
      } else {
        *age = entry.age;
      }
    });
    uint32_t newest_victim = UINT32_MAX;
    if (listed && ages.size() > excess) {
      std::nth_element(ages.begin(), ages.begin() + (excess - 1), ages.end());
      newest_victim = ages[excess - 1];
    }
    size_t ended = 0;
    each([&](Entry& entry) {
      if (entry.age > newest_victim) return;
      entry.length = 0;
      ended++;
    });
    (victim == Class::kWithoutFile ? counts_.evicted_without_file : counts_.evicted_with_file) += ended;
    if (ended >= excess) return;
    excess -= ended;
  }
}

const CodeMap::Entry* CodeMap::Find(uint64_t pc) const noexcept {
  const Entry* after = std::upper_bound(entries_.begin(), entries_.end(), pc,
                                        [](uint64_t address, const Entry& e) { return address < e.start; });
  // A return address may lie just behind the code that made the call, where the next code may begin.
  for (int back = 0; back < 2 && after != entries_.begin(); back++) {
    const Entry* entry = --after;
    const bool holds = entry->bytecode ? pc < entry->end() : pc <= entry->end();
    const bool at_start = pc == entry->start && !entry->bytecode && after != entries_.begin();
    if (at_start && !after[-1].bytecode && after[-1].end() == pc) continue;
    return holds && entry->name != kNone ? entry : nullptr;
  }
  return nullptr;
}

void CodeMap::Resolve(const uint64_t* pcs, size_t count, Resolved* out) noexcept {
  const std::lock_guard<std::mutex> lock(mutex_);
  Merge();
  // The stacks of one reading share most of their addresses.
  struct Known {
    uint64_t pc;
    Resolved resolved;
  };
  constexpr size_t kKnown = 512;
  Known known[kKnown] = {};
  Candidates candidates;
  for (size_t i = 0; i < count; i++) {
    Known& place = known[Slot(pcs[i], kKnown)];
    if (place.pc != pcs[i] || pcs[i] == 0) place = {pcs[i], ResolveOne(pcs[i], candidates)};
    out[i] = place.resolved;
  }
}

CodeMap::Resolved CodeMap::ResolveOne(uint64_t pc, Candidates& candidates) const noexcept {
  const Entry* entry = Find(pc);
  if (entry == nullptr) return {kNone, kNone, -1};
  Resolved resolved = {entry->name, kNone, -1};
  const uint32_t offset = static_cast<uint32_t>(pc - entry->start);
  if (entry->bytecode) {
    resolved.position = lines_.PositionAt(entry->lines, offset);
  } else if (offset > 0) {
    // A return address belongs to the call before it.
    const int32_t position = lines_.PositionAt(entry->lines, offset - 1);
    if (position >= 0) {
      const uint32_t function = FindInlined(*entry, offset - 1, static_cast<uint32_t>(position), candidates);
      if (function == kNone) return resolved;
      if (name_info_[function].function != name_info_[entry->name].function) resolved.inlined = function;
      resolved.position = position;
    }
  }
  return resolved;
}

// All bytecode with a line table: what the optimizing compiler may have inlined, its own function among it.
void CodeMap::GatherCandidates(Candidates& candidates) const noexcept {
  candidates.gathered = true;
  for (const Entry& entry : entries_) {
    LineTables::Span span;
    if (!entry.bytecode || entry.left || entry.name == kNone || !lines_.GetSpan(entry.lines, span)) continue;
    const Name& name = name_info_[entry.name];
    if (name.top_level || name.script == 0) continue;
    Candidate* candidate = candidates.list.Append();
    if (candidate == nullptr) return;
    *candidate = {name.script, span, entry.lines, entry.name};
  }
  std::sort(candidates.list.begin(), candidates.list.end(), [](const Candidate& a, const Candidate& b) {
    return a.script != b.script ? a.script < b.script : a.span.low < b.span.low;
  });
}

// The innermost function of `script` that holds `position`, among those that begin shortly before it; or null.
const CodeMap::Candidate* CodeMap::InScript(uint64_t script, uint32_t position,
                                            const Candidates& candidates) const noexcept {
  // A bundle puts all its functions into one that spans them: looking further back finds nothing but that.
  constexpr int kReach = 4096;
  const Candidate* c = std::upper_bound(
      candidates.list.begin(), candidates.list.end(), position, [script](uint32_t at, const Candidate& candidate) {
        return candidate.script != script ? script < candidate.script : at < candidate.span.low;
      });
  for (int i = 0; i < kReach && c != candidates.list.begin() && (--c)->script == script; i++) {
    if (lines_.Holds(c->lines, position)) return c;
  }
  return nullptr;
}

// V8 gives a position of optimized code without its script or function. It is the function's own when its bytecode has
// it; or that of a function of the same script, where no two functions share a position; or that of a function of
// another script. But functions that were there before we listened (most of Node's own) have no table, and where one of
// them was inlined, a position of another script can meet a function that it has nothing to do with. An inlined
// function fills a stretch of the code, so its neighbours tell: either all positions of the code have a function, or
// all of the stretch do and the candidate has more than the one.
bool CodeMap::Convinces(const Candidate& candidate, uint64_t own_script, const Candidate* own,
                        const MappedArray<LinePosition>& code, size_t at, const Candidates& candidates) const noexcept {
  // The code begins with the place of its function's parameters, which no bytecode has.
  const auto owned = [&](uint32_t q) {
    return own != nullptr && ((q == code[0].position && q <= own->span.low) || lines_.Holds(own->lines, q));
  };
  const auto explained = [&](uint32_t q) {
    return lines_.Holds(candidate.lines, q) || InScript(candidate.script, q, candidates) != nullptr ||
           (candidate.script != own_script && InScript(own_script, q, candidates) != nullptr);
  };
  size_t first = at;
  size_t end = at + 1;
  while (first > 0 && !owned(code[first - 1].position)) first--;
  while (end < code.size() && !owned(code[end].position)) end++;
  size_t shared = 0;
  for (size_t i = first; i < end; i++) {
    if (!explained(code[i].position)) return false;
    shared += code[i].position != code[at].position && lines_.Holds(candidate.lines, code[i].position);
  }
  if (shared > 0) return true;
  for (const LinePosition& pair : code) {
    if (!owned(pair.position) && !explained(pair.position)) return false;
  }
  return true;
}

// The bytecode function that the position of the code at `offset` belongs to: the code's own, or an inlined one. kNone:
// it cannot be told.
uint32_t CodeMap::FindInlined(const Entry& entry, uint32_t offset, uint32_t position,
                              Candidates& candidates) const noexcept {
  if (!candidates.gathered) GatherCandidates(candidates);
  const Name& self = name_info_[entry.name];
  const Candidate* own = nullptr;
  for (const Candidate& candidate : candidates.list) {
    if (candidate.script != self.script || name_info_[candidate.name].function != self.function) continue;
    own = &candidate;
    if (lines_.Holds(own->lines, position)) return own->name;
  }

  // Longer code is rare, and each of its positions would have to be looked up.
  constexpr size_t kMaxPairs = 1024;
  MappedArray<LinePosition> code;
  const size_t count = lines_.Count(entry.lines);
  if (count > kMaxPairs || code.Append(count) == nullptr) return kNone;
  lines_.Copy(entry.lines, code.data(), code.size());
  size_t at = 0;
  while (at + 1 < code.size() && code[at + 1].offset <= offset) at++;

  const Candidate* near = InScript(self.script, position, candidates);
  if (near != nullptr && Convinces(*near, self.script, own, code, at, candidates)) return near->name;
  uint32_t elsewhere = kNone;
  for (const Candidate& candidate : candidates.list) {
    if (candidate.script == self.script || !lines_.Holds(candidate.lines, position)) continue;
    if (!Convinces(candidate, self.script, own, code, at, candidates)) continue;
    if (elsewhere != kNone && elsewhere != candidate.name) return kNone;
    elsewhere = candidate.name;
  }
  return elsewhere;
}

// The number of a name; that of "(name dropped)" when there is no more room; kNone without memory.
uint32_t CodeMap::InternName(std::string_view name) noexcept {
  const uint32_t known = names_.Lookup(name);
  if (known != KeptStringTable::kFull) return known;

  Name info = {};
  const std::string_view function = WithoutCompiler(name);
  const std::string_view script = ScriptOf(function);
  info.function = Hash(function);
  info.script = script.empty() ? 0 : Hash(script);
  info.top_level = name.size() > 4 && name.substr(name.size() - 4) == ":1:1";
  const bool script_code = StartsWith(name, "JS:") || StartsWith(name, "Script:") || StartsWith(name, "Eval:");
  if (StartsWith(name, "Builtin:") || StartsWith(name, "BytecodeHandler:")) {
    info.kind = Class::kBuiltin;
  } else if (StartsWith(name, "RegExp") || (script_code && !IsFile(script))) {
    info.kind = Class::kWithoutFile;
  } else {
    info.kind = Class::kWithFile;
  }

  // Names that a program makes up as it runs (patterns, code of its own) must not leave files without room.
  const size_t cost = name.size() + kNameOverhead;
  uint64_t& without_file = name_bytes_without_file_;
  const bool fits =
      name_bytes_ + cost <= kNameRoom && (info.kind != Class::kWithoutFile || without_file + cost <= kNameRoom / 2);
  if (!fits && name != kDroppedName) {
    counts_.names_dropped++;
    return InternName(kDroppedName);
  }
  Name* row = name_info_.Append();
  if (row == nullptr) return kNone;
  *row = info;
  const uint32_t id = names_.Intern(name);
  if (id == KeptStringTable::kFull) {
    name_info_.Shrink(1);
    return kNone;
  }
  name_bytes_ += cost;
  if (info.kind == Class::kWithoutFile) without_file += cost;
  return id;
}

size_t CodeMap::CopyName(uint32_t id, char* out, size_t capacity) noexcept {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (id >= names_.size()) return 0;
  const std::string_view name = names_.At(id);
  if (capacity > 0) std::memcpy(out, name.data(), std::min(capacity, name.size()));
  return name.size();
}

CodeMap::Stats CodeMap::GetStats() noexcept {
  const std::lock_guard<std::mutex> lock(mutex_);
  Stats stats = counts_;
  stats.entries = entries_.size() + log_.size();
  stats.capacity = capacity_;
  stats.names = names_.size();
  stats.name_bytes = name_bytes_;
  stats.line_bytes = lines_.bytes();
  stats.dropped += lines_.dropped();
  stats.bytes = stats.entries * sizeof(Entry) + log_index_.size() + pending_.size() + name_bytes_ + lines_.bytes();
  return stats;
}

}  // namespace tidemark
