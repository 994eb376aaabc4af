#include "stack/unwind_table.h"

#include <link.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <iterator>
#include <new>
#include <string_view>
#include <utility>

#include "base/spin_lock.h"
#include "stack/eh_frame.h"

namespace tidemark {

struct UnwindSnapshot {
  size_t count;
  UnwindObject* objects;  // in the same mapping, by address once published
};

namespace {

// Published, and who reads it. A walk counts itself into the counter of the phase that it finds; after a publication
// the phase changes, and when the old phase's counter has come to 0 no walk is left that knows what was replaced.
std::atomic<const UnwindSnapshot*> g_snapshot{nullptr};
std::atomic<uint32_t> g_phase{0};
std::atomic<uint32_t> g_walks[2];

SpinLock g_stats_lock;
UnwindStats g_stats = {};

// How long a refresh waits for walks, which take microseconds but may be preempted.
constexpr int64_t kPatienceNanos = 20'000'000;
// Of the executable's descriptions, one in so many is looked at to tell whether it keeps frame pointers.
constexpr size_t kSampleEvery = 64;
constexpr double kKeepsFramePointers = 0.85;
// Tables of several objects share a mapping, as there are more small libraries than a process should have mappings.
// A new block takes over those that are not much larger than itself, so their sizes at least halve from one to the
// next.
constexpr size_t kMaxBlocks = 16;
constexpr size_t kFlushBytes = size_t{1} << 20;

int64_t NowNanos() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

size_t IndexBytes(const AddressRange& code) {
  return ((code.end - code.start) / UnwindObject::kIndexBytes + 2) * sizeof(uint32_t);
}

size_t TableBytes(const UnwindObject& object) {
  if (object.row_count == 0) return 0;
  const size_t bytes = object.row_count * sizeof(UnwindRow) + IndexBytes({object.text_start, object.text_end});
  return (bytes + alignof(UnwindRow) - 1) / alignof(UnwindRow) * alignof(UnwindRow);
}

// Copies the object's rows to `at` and writes their index behind them.
void WriteTable(void* at, UnwindObject& object) {
  auto* const rows = static_cast<UnwindRow*>(at);
  auto* const index = reinterpret_cast<uint32_t*>(rows + object.row_count);
  std::memcpy(rows, object.rows, object.row_count * sizeof(UnwindRow));
  const size_t entries = IndexBytes({object.text_start, object.text_end}) / sizeof(uint32_t);
  uint32_t row = 0;
  for (size_t i = 0; i < entries; i++) {
    while (row < object.row_count && rows[row].offset <= i * UnwindObject::kIndexBytes) row++;
    index[i] = row;
  }
  object.rows = rows;
  object.index = index;
}

// Everything but what is at its addresses: the object may be gone, and reading it a fault.
uint64_t Identity(const LoadedObject& object, std::string_view name) {
  uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
  const auto add = [&hash](uint64_t value) { hash = (hash ^ value) * 0x100000001b3; };
  for (const uint64_t value : {object.bias, object.start, object.end, object.text_start, object.text_end,
                               object.eh_frame_hdr, object.strings_size, uint64_t{object.kind}}) {
    add(value);
  }
  for (size_t i = 0; i < object.build_id_size; i++) add(object.build_id[i]);
  for (const char c : name) add(static_cast<unsigned char>(c));
  return hash;
}

// Runs `read` on what of the object can be read, if it is still there. A library may be unloaded by another thread at
// any moment, but not while dl_iterate_phdr holds the lock that dlclose needs; what stays for good is read without it.
template <class Read>
void WithObject(const LoadedObject& object, Read&& read) {
  struct Visit {
    const LoadedObject& object;
    Read& read;
    ReadableRanges readable;
    bool found;
  } visit = {object, read, {}, false};
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* data) {
        Visit& v = *static_cast<Visit*>(data);
        if (info->dlpi_addr != v.object.bias) return 0;
        LoadedObject now;
        DescribeObject(*info, now);
        if (now.text_start != v.object.text_start || now.text_end != v.object.text_end ||
            now.eh_frame_hdr != v.object.eh_frame_hdr || now.build_id_size != v.object.build_id_size ||
            std::memcmp(now.build_id, v.object.build_id, now.build_id_size) != 0) {
          return 0;
        }
        for (size_t i = 0; i < info->dlpi_phnum && v.readable.count < ReadableRanges::kMax; i++) {
          const ElfW(Phdr)& header = info->dlpi_phdr[i];
          if (header.p_type != PT_LOAD || (header.p_flags & PF_R) == 0) continue;
          const uint64_t start = info->dlpi_addr + header.p_vaddr;
          if (start + header.p_memsz > start) v.readable.ranges[v.readable.count++] = {start, start + header.p_memsz};
        }
        v.found = true;
        if (v.object.kind == kLibrary) v.read(v.readable);
        return 1;
      },
      &visit);
  if (visit.found && object.kind != kLibrary) read(visit.readable);
}

// The share of bytes whose unwind data counts on the frame pointer.
double FramePointerShare(EhFrame& frame, const AddressRange& code) {
  MappedArray<UnwindRow> rows;
  uint64_t kept = 0;
  uint64_t all = 0;
  for (size_t i = 0; i < frame.size(); i += kSampleEvery) {
    rows.Shrink(rows.size());
    if (!frame.AppendRows(i, code, SIZE_MAX, rows)) break;
    for (size_t r = 0; r + 1 < rows.size(); r++) {
      const uint64_t bytes = rows[r + 1].offset - rows[r].offset;
      all += bytes;
      if (KeepsFramePointer(rows[r].rule)) kept += bytes;
    }
  }
  return all == 0 ? 0 : static_cast<double>(kept) / static_cast<double>(all);
}

// Appends the rows of an object. False, and nothing is appended, when there is no room.
bool AppendTable(EhFrame& frame, const AddressRange& code, size_t max_rows, MappedArray<UnwindRow>& rows) {
  const size_t first = rows.size();
  UnwindRow* const start = rows.Append();
  if (start == nullptr) return false;
  *start = {0, UnwindRule(RuleKind::kNone)};  // up to the first description
  for (size_t i = 0; i < frame.size(); i++) {
    if (frame.AppendRows(i, code, max_rows, rows, first)) continue;
    rows.Shrink(rows.size() - first);
    return false;
  }
  return true;
}

uint64_t BytesWithoutRule(const UnwindObject& object) {
  const uint64_t size = object.text_end - object.text_start;
  if (object.rows == nullptr) return size;
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < object.row_count; i++) {
    if (object.rows[i].rule.kind() != RuleKind::kNone) continue;
    bytes += (i + 1 < object.row_count ? object.rows[i + 1].offset : size) - object.rows[i].offset;
  }
  return bytes;
}

bool Holds(const OwnMapping& block, const UnwindObject& object) {
  const auto address = reinterpret_cast<uint64_t>(object.rows);
  const auto start = reinterpret_cast<uint64_t>(block.data());
  return address >= start && address < start + block.size();
}

class Tables {
 public:
  bool Refresh(const ObjectList& list) noexcept;

 private:
  // An object of the next snapshot whose rows are in no block yet.
  struct Pending {
    size_t object;
    size_t first_row;
  };
  struct Building {
    UnwindSnapshot& next;
    MappedArray<Pending> pending;
    MappedArray<UnwindRow> rows;
    size_t bytes;  // of the block for what is pending
  };

  bool Reclaim() noexcept;
  void Describe(const LoadedObject& loaded, Building& building) noexcept;
  void Flush(Building& building) noexcept;
  void Publish(OwnMapping memory, UnwindSnapshot& next) noexcept;
  void Retire(size_t block) noexcept;
  size_t Bytes() const noexcept;

  OwnMapping snapshot_;
  OwnMapping blocks_[kMaxBlocks];  // oldest and largest first
  size_t block_count_ = 0;

  // What a walk may still read. One set at a time: until it is reclaimed nothing is published.
  OwnMapping old_snapshot_;
  OwnMapping old_blocks_[2 * kMaxBlocks];
  size_t old_block_count_ = 0;
  bool draining_ = false;

  UnwindStats stats_ = {};
};

size_t Tables::Bytes() const noexcept {
  size_t bytes = snapshot_.size() + old_snapshot_.size();
  for (const OwnMapping& block : blocks_) bytes += block.size();
  for (const OwnMapping& block : old_blocks_) bytes += block.size();
  return bytes;
}

// Unmaps what was replaced. False when a walk of before may still read it.
bool Tables::Reclaim() noexcept {
  if (!draining_) return true;
  const uint32_t old_phase = g_phase.load() - 1;
  const int64_t deadline = NowNanos() + kPatienceNanos;
  while (g_walks[old_phase & 1].load() != 0) {
    if (NowNanos() > deadline) return false;
    const timespec moment = {0, 100'000};
    nanosleep(&moment, nullptr);
  }
  old_snapshot_ = OwnMapping();
  while (old_block_count_ > 0) old_blocks_[--old_block_count_] = OwnMapping();
  draining_ = false;
  return true;
}

void Tables::Retire(size_t block) noexcept {
  old_blocks_[old_block_count_++] = std::move(blocks_[block]);
  for (size_t i = block + 1; i < block_count_; i++) blocks_[i - 1] = std::move(blocks_[i]);
  blocks_[--block_count_] = OwnMapping();
}

// Appends the object to the next snapshot, and its rows to those pending.
void Tables::Describe(const LoadedObject& loaded, Building& building) noexcept {
  UnwindObject& object = building.next.objects[building.next.count++];
  object = {};
  object.text_start = loaded.text_start;
  object.text_end = loaded.text_end;
  object.no_rule = loaded.kind == kExecutable ? NoRule::kFollow : NoRule::kGuess;
  const AddressRange code = {loaded.text_start, loaded.text_end};
  WithObject(loaded, [&](const ReadableRanges& readable) {
    EhFrame frame;
    const bool has_list = loaded.eh_frame_hdr != 0 && frame.Open(loaded.eh_frame_hdr, readable);
    if (loaded.kind == kExecutable) {
      const double share = has_list ? FramePointerShare(frame, code) : 0;
      stats_.node_frame_pointer_share = share;
      stats_.node_keeps_frame_pointers = share >= kKeepsFramePointers;
      if (stats_.node_keeps_frame_pointers) return;
      if (has_list) frame.Open(loaded.eh_frame_hdr, readable);  // from its beginning
    }
    if (!has_list || frame.size() == 0) {
      if (loaded.kind == kLoader) object.no_rule = NoRule::kBegin;
      return;
    }
    // Twice what is pending: it is copied into its block.
    const size_t taken = Bytes() + 2 * (building.bytes + IndexBytes(code));
    const size_t max_rows =
        building.rows.size() + (taken < kMaxTableBytes ? (kMaxTableBytes - taken) / 2 / sizeof(UnwindRow) : 0);
    const size_t first_row = building.rows.size();
    Pending* const pending = building.pending.Append();
    if (pending == nullptr || !AppendTable(frame, code, max_rows, building.rows)) {
      if (pending != nullptr) building.pending.Shrink(1);
      stats_.skipped++;
      return;
    }
    *pending = {building.next.count - 1, first_row};
    object.row_count = static_cast<uint32_t>(building.rows.size() - first_row);
    building.bytes += TableBytes(object);
  });
}

// Moves what is pending into a block of its own, together with what smaller blocks hold.
void Tables::Flush(Building& building) noexcept {
  size_t bytes = building.bytes;
  size_t keep = block_count_;
  size_t taken_over = 0;
  const size_t room = std::size(old_blocks_) - old_block_count_;
  while (keep > 0 && taken_over < room && blocks_[keep - 1].size() <= 2 * bytes) {
    size_t live = 0;
    for (size_t i = 0; i < building.next.count; i++) {
      const UnwindObject& object = building.next.objects[i];
      if (Holds(blocks_[keep - 1], object)) live += TableBytes(object);
    }
    if (Bytes() + bytes + live > kMaxTableBytes) break;
    bytes += live;
    keep--;
    taken_over++;
  }

  OwnMapping block = keep < kMaxBlocks ? OwnMapping(bytes) : OwnMapping();
  for (const Pending& pending : building.pending) {
    UnwindObject& object = building.next.objects[pending.object];
    object.rows = building.rows.data() + pending.first_row;
    if (block.data() != nullptr) continue;
    object.rows = nullptr;
    object.row_count = 0;
    stats_.skipped++;
  }
  if (block.data() != nullptr) {
    char* at = static_cast<char*>(block.data());
    for (size_t i = 0; i < building.next.count; i++) {
      UnwindObject& object = building.next.objects[i];
      const auto in_block = [&object](const OwnMapping& other) { return Holds(other, object); };
      if (object.rows == nullptr || std::any_of(blocks_, blocks_ + keep, in_block)) continue;
      WriteTable(at, object);
      at += TableBytes(object);
    }
    while (block_count_ > keep) Retire(block_count_ - 1);
    blocks_[block_count_++] = std::move(block);
  }
  building.pending.Shrink(building.pending.size());
  building.rows.Shrink(building.rows.size());
  building.bytes = 0;
}

void Tables::Publish(OwnMapping memory, UnwindSnapshot& next) noexcept {
  std::sort(next.objects, next.objects + next.count,
            [](const UnwindObject& a, const UnwindObject& b) { return a.text_start < b.text_start; });
  for (size_t block = block_count_; block > 0 && old_block_count_ < std::size(old_blocks_); block--) {
    const auto in_block = [&](const UnwindObject& object) { return Holds(blocks_[block - 1], object); };
    if (std::none_of(next.objects, next.objects + next.count, in_block)) Retire(block - 1);
  }
  g_snapshot.store(&next);
  old_snapshot_ = std::exchange(snapshot_, std::move(memory));
  // The counter of the phase to come is at 0: Reclaim has seen to that, and nobody has counted into it since.
  g_phase.fetch_add(1);
  draining_ = true;
  Reclaim();
}

bool Tables::Refresh(const ObjectList& list) noexcept {
  if (!Reclaim()) return false;
  const int64_t started = NowNanos();
  OwnMapping memory(sizeof(UnwindSnapshot) + list.objects.size() * sizeof(UnwindObject));
  if (memory.data() == nullptr) return false;
  auto* const next = static_cast<UnwindSnapshot*>(memory.data());
  next->objects = reinterpret_cast<UnwindObject*>(next + 1);
  const UnwindSnapshot* const current = g_snapshot.load();
  const size_t known = current == nullptr ? 0 : current->count;

  MappedArray<size_t> fresh;
  for (size_t i = 0; i < list.objects.size(); i++) {
    const LoadedObject& loaded = list.objects[i];
    if (loaded.text_start == loaded.text_end) continue;
    const uint64_t identity = Identity(loaded, list.names.At(loaded.name));
    const auto is_it = [identity](const UnwindObject& object) { return object.identity == identity; };
    const UnwindObject* const same =
        known == 0 ? nullptr : std::find_if(current->objects, current->objects + known, is_it);
    if (known != 0 && same != current->objects + known) {
      next->objects[next->count++] = *same;
      continue;
    }
    size_t* const index = fresh.Append();
    if (index == nullptr) return false;
    *index = i;
  }
  if (fresh.size() == 0 && next->count == known) return true;

  // The executable last: its table is the largest, and everything else may be had without it.
  Building building = {*next, {}, {}, 0};
  std::sort(fresh.begin(), fresh.end(), [&list](size_t a, size_t b) {
    return (list.objects[a].kind == kExecutable) < (list.objects[b].kind == kExecutable);
  });
  for (const size_t i : fresh) {
    Describe(list.objects[i], building);
    next->objects[next->count - 1].identity = Identity(list.objects[i], list.names.At(list.objects[i].name));
    if (building.bytes >= kFlushBytes) Flush(building);
  }
  if (building.pending.size() > 0) Flush(building);

  stats_.objects = next->count;
  stats_.rows = 0;
  stats_.without_cfi_bytes = 0;
  for (size_t i = 0; i < next->count; i++) {
    stats_.rows += next->objects[i].row_count;
    if (next->objects[i].no_rule != NoRule::kFollow) stats_.without_cfi_bytes += BytesWithoutRule(next->objects[i]);
  }
  Publish(std::move(memory), *next);
  stats_.bytes = Bytes();
  if (fresh.size() > 0) stats_.build_nanos += static_cast<uint64_t>(NowNanos() - started);
  g_stats_lock.Lock();
  g_stats = stats_;
  g_stats_lock.Unlock();
  return true;
}

// Never destroyed: threads walk on while the process exits.
Tables& TheTables() {
  alignas(Tables) static char storage[sizeof(Tables)];
  static Tables* const tables = new (storage) Tables();
  return *tables;
}

}  // namespace

bool RefreshUnwindTables(const ObjectList& objects) noexcept { return TheTables().Refresh(objects); }

UnwindStats GetUnwindStats() noexcept {
  g_stats_lock.Lock();
  const UnwindStats stats = g_stats;
  g_stats_lock.Unlock();
  return stats;
}

UnwindTables::UnwindTables() noexcept {
  for (;;) {
    phase_ = g_phase.load();
    g_walks[phase_ & 1].fetch_add(1);
    if (g_phase.load() == phase_) break;
    g_walks[phase_ & 1].fetch_sub(1);  // it changed in between, and may have been found empty
  }
  const UnwindSnapshot* const snapshot = g_snapshot.load();
  objects_ = snapshot == nullptr ? nullptr : snapshot->objects;
  count_ = snapshot == nullptr ? 0 : snapshot->count;
}

UnwindTables::~UnwindTables() { g_walks[phase_ & 1].fetch_sub(1, std::memory_order_release); }

const UnwindObject* UnwindTables::Find(uint64_t pc) const noexcept {
  size_t low = 0;
  size_t count = count_;
  while (count > 0) {
    const size_t half = count / 2;
    const bool right = objects_[low + half].text_start <= pc;
    low += right ? half + 1 : 0;
    count = right ? count - half - 1 : half;
  }
  if (low == 0 || pc >= objects_[low - 1].text_end) return nullptr;
  return &objects_[low - 1];
}

}  // namespace tidemark
