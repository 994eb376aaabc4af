#include "ledger/glibc_heap.h"

#include <algorithm>
#include <cstring>

#include "proc/mapped_block.h"

namespace tidemark {
namespace {

constexpr uint64_t kHeader = 16;      // prev_size and size
constexpr uint64_t kLeastTop = 32;    // MINSIZE: what a trim leaves of the top
constexpr uint64_t kFreeHeader = 48;  // sizeof(malloc_chunk): what a trim leaves of another free chunk
constexpr uint64_t kFenceposts = 64;  // how far before its end a full heap's last header of size 0 can be
constexpr int kChain = 40;            // so many chunks in a row are no accident
enum Bits : uint64_t { kPreviousInUse = 1, kIsMmapped = 2, kFlags = 7 };

constexpr uint64_t SizeOf(uint64_t word) noexcept { return word & ~uint64_t{kFlags}; }

// NON_MAIN_ARENA is not looked at: free chunks and tops of thread arenas do not carry it.
bool IsSize(uint64_t word, uint64_t room) noexcept {
  const uint64_t size = SizeOf(word);
  return (word & kIsMmapped) == 0 && size >= kHeader && size % 16 == 0 && size <= room;
}

// Whether many chunks follow each other from `chunk` on, or as many as there are up to `end`. Free ones must say their
// size at their end too.
bool IsChain(WordReader& words, uint64_t chunk, uint64_t end) noexcept {
  uint64_t size;
  if (chunk + kHeader > end || !words.Read(chunk + 8, size) || SizeOf(size) <= kHeader) return false;
  for (int i = 0; i < kChain; i++) {
    if (!IsSize(size, end - chunk)) return false;
    const uint64_t next = chunk + SizeOf(size);
    if (next + kHeader > end) return true;
    uint64_t next_size;
    if (!words.Read(next + 8, next_size)) return false;
    if (SizeOf(next_size) == 0) return i > 0 && end - next <= kFenceposts;
    uint64_t size_at_end;
    if ((next_size & kPreviousInUse) == 0 && (!words.Read(next, size_at_end) || size_at_end != SizeOf(size)))
      return false;
    chunk = next;
    size = next_size;
  }
  return true;
}

// The first chunk of [from, to) with which a chain begins; `to` where there is none, or when patience is at its end.
uint64_t FirstChain(WordReader& words, uint64_t from, uint64_t to, uint64_t end, Patience& patience) noexcept {
  for (uint64_t chunk = from; chunk < to && patience.left > 0; chunk += 16) {
    const uint64_t cost = words.cost();
    const bool is_chain = IsChain(words, chunk, end);
    patience.Spend(words.cost() - cost);
    if (is_chain) return chunk;
  }
  return to;
}

// Where a chain goes on that was lost before `from`; `end` when nowhere.
uint64_t FindChain(WordReader& words, const ResidentPages& pages, uint64_t from, uint64_t end,
                   Patience& patience) noexcept {
  const uint64_t page = PageSize();
  // What was overwritten, or is another's memory, has no chain: something must be left for those that have one.
  Patience share = {patience.left / 4};
  patience.left -= share.left;
  uint64_t found = end;
  for (uint64_t at = (from / page + 1) * page; found == end && at < end && share.left > 0; at += page) {
    at = pages.NextResident(at, end);
    const uint64_t to = std::min(at + page, end);
    const uint64_t chunk = FirstChain(words, at, to, end, share);
    if (chunk < to) found = chunk;
  }
  patience.left += share.left;
  return found;
}

class HeapWalk {
 public:
  // `open`: the heap may end before `end`, at any page.
  HeapWalk(WordReader& words, const ResidentPages& pages, const FastBins& fast, uint64_t end, bool open,
           Patience& patience, HeapSums& sums) noexcept
      : words_(words), pages_(pages), fast_(fast), end_(end), open_(open), patience_(patience), sums_(sums) {}

  uint64_t From(uint64_t chunk) noexcept {
    Remember(chunk);
    next_fast_ = fast_.From(chunk);
    for (;;) {
      const Stop stop = Follow(chunk);
      if (stop.at_end) return stop.at;
      chunk = GoOn(stop.at);
      if (chunk >= end_) return end_;
    }
  }

 private:
  static constexpr int kPlaces = 8;
  static constexpr int kTries = 3;
  static constexpr int kMostTries = 64;

  struct Stop {
    uint64_t at;
    bool at_end;  // else what is there is no chunk
  };

  // A chunk that was reached, and what had been counted by then.
  struct Place {
    uint64_t chunk;
    uint64_t free_from;
    HeapSums sums;
  };

  Stop Follow(uint64_t chunk) noexcept {
    uint64_t size;
    if (!words_.Read(chunk + 8, size)) return {chunk, false};
    for (;;) {
      if (SizeOf(size) == 0 && end_ - chunk <= kFenceposts) {
        sums_.live += pages_.Bytes(chunk, end_);
        return {end_, true};
      }
      if (!IsSize(size, end_ - chunk)) return {chunk, false};
      const uint64_t next = chunk + SizeOf(size);
      if (next + kHeader > end_) return Top(chunk, end_);
      const uint64_t fetches = words_.fetches();
      uint64_t next_size;
      const bool readable = words_.Read(next + 8, next_size);
      if (open_ && next % PageSize() == 0 && !(readable && IsSize(next_size, end_ - next))) return Top(chunk, next);
      if (!readable) {
        // Nothing is behind the top. Else it is a page that was swapped out.
        if (pages_.Bytes(next, end_) == 0) return Top(chunk, end_);
        Count(chunk, next, true);
        return {next, false};
      }
      Count(chunk, next, (next_size & kPreviousInUse) != 0 && !IsFast(chunk));
      chunk = next;
      size = next_size;
      if (words_.fetches() != fetches) Remember(chunk);
    }
  }

  // Asked in order of address.
  bool IsFast(uint64_t chunk) noexcept {
    while (next_fast_ != fast_.end() && *next_fast_ < chunk) next_fast_++;
    return next_fast_ != fast_.end() && *next_fast_ == chunk;
  }

  // Whether this is the last chunk of a heap that has grown since its end was read: what is behind was not looked at.
  bool HasGrown(uint64_t size, uint64_t chunk) const noexcept {
    constexpr uint64_t kNear = uint64_t{4} << 20;
    return end_ - chunk <= kNear && IsSize(size, kNear + kArenaHeapBytes);
  }

  void Count(uint64_t chunk, uint64_t next, bool in_use) noexcept {
    const uint64_t resident = pages_.Bytes(chunk, next);
    sums_.chunks++;
    if (in_use) {
      free_from_ = 0;
      sums_.live += resident;
      sums_.live_virtual += next - chunk;
      return;
    }
    sums_.free_chunks++;
    sums_.free += resident;
    sums_.free_virtual += next - chunk;
    // Before a trim neighbours become one.
    if (free_from_ == 0) free_from_ = chunk;
    sums_.trimmable += WholePages(free_from_ + kFreeHeader, next) - WholePages(free_from_ + kFreeHeader, chunk);
  }

  Stop Top(uint64_t chunk, uint64_t end) noexcept {
    sums_.chunks++;
    sums_.free_chunks++;
    sums_.free += pages_.Bytes(chunk, end);
    sums_.free_virtual += end - chunk;
    const uint64_t from = free_from_ == 0 ? chunk : free_from_;
    sums_.trimmable -= WholePages(from + kFreeHeader, chunk);
    sums_.top += pages_.Bytes(from, end);
    sums_.trimmable_top += WholePages(from + kLeastTop, end);
    free_from_ = 0;
    return {end, true};
  }

  uint64_t WholePages(uint64_t from, uint64_t to) const noexcept {
    const uint64_t page = PageSize();
    return pages_.Bytes((from + page - 1) / page * page, to / page * page);
  }

  // Where to follow the chain anew after what is at `lost` made no sense: first some blocks back, as a thread may have
  // changed chunks between two of them; then, if it is not merely the last, wherever a chain can be found behind.
  uint64_t GoOn(uint64_t lost) noexcept {
    if (lost != lost_at_) tries_ = 0;
    lost_at_ = lost;
    words_.Forget();
    if (++tries_ <= kTries && ++all_tries_ <= kMostTries && patience_.left > 0) {
      const Place& place = places_[(reached_ - 1) % kPlaces];
      sums_ = place.sums;
      free_from_ = place.free_from;
      const uint64_t chunk = place.chunk;
      next_fast_ = fast_.From(chunk);
      const uint64_t cost = words_.cost();
      uint64_t size;
      words_.Read(chunk + 8, size);  // copies its block anew
      patience_.Spend(words_.cost() - cost);
      if (held_ > 1) {
        held_--;
        reached_--;
      }
      return chunk;
    }
    uint64_t size;
    if (!open_ && words_.Read(lost + 8, size) && HasGrown(size, lost)) {
      Count(lost, end_, true);
      return end_;
    }
    const uint64_t found = FindChain(words_, pages_, lost, end_, patience_);
    sums_.lost += pages_.Bytes(lost, found);
    free_from_ = 0;
    next_fast_ = fast_.From(found);
    held_ = 0;  // what was lost is not looked for once more
    Remember(found);
    return found;
  }

  void Remember(uint64_t chunk) noexcept {
    places_[reached_++ % kPlaces] = {chunk, free_from_, sums_};
    held_ = std::min(held_ + 1, kPlaces);
  }

  WordReader& words_;
  const ResidentPages& pages_;
  const FastBins& fast_;
  const uint64_t end_;
  const bool open_;
  Patience& patience_;
  HeapSums& sums_;
  const uint64_t* next_fast_ = nullptr;
  uint64_t free_from_ = 0;  // where the free chunks begin that reach as far as the walk has come; 0: none
  Place places_[kPlaces];
  uint64_t reached_ = 0;
  int held_ = 0;
  uint64_t lost_at_ = 0;
  int tries_ = 0;
  int all_tries_ = 0;
};

// The headers of pages, many at a time where page follows page: native code may have mapped a gigabyte.
class PageHeaders {
 public:
  PageHeaders(PageSource& source, const ResidentPages& pages, uint64_t end) noexcept
      : source_(source), pages_(pages), end_(end) {}

  // Bytes of a page's front that are read.
  static constexpr uint64_t kFront = 256;

  // The words at `offset` of the resident page `page`; asked for in order of address. False where it can no longer be
  // read.
  bool Read(uint64_t page, uint64_t offset, ChunkHeader& header) noexcept {
    while (next_ < count_ && addresses_[next_] < page) next_++;
    if (next_ == count_ && !Fetch(page)) return false;
    if (addresses_[next_] != page) return false;
    std::memcpy(&header, fronts_[next_] + offset, sizeof header);
    return true;
  }

  // The pages behind belong to a block.
  void Skip() noexcept {
    count_ = 0;
    next_ = 0;
    ahead_ = 1;
  }

 private:
  static constexpr size_t kMost = 64;

  bool Fetch(uint64_t page) noexcept {
    size_t wanted = 0;
    for (uint64_t at = page; wanted < ahead_ && (at = pages_.NextResident(at, end_)) < end_; at += PageSize()) {
      addresses_[wanted++] = at;
    }
    count_ = source_.ReadEach(addresses_, wanted, kFront, fronts_);
    next_ = 0;
    ahead_ = std::min(ahead_ * 4, kMost);
    return count_ > 0;
  }

  PageSource& source_;
  const ResidentPages& pages_;
  uint64_t end_;
  uint64_t addresses_[kMost];
  char fronts_[kMost][kFront];
  size_t count_ = 0;
  size_t next_ = 0;
  size_t ahead_ = 1;
};

}  // namespace

void HeapSums::Add(const HeapSums& other) noexcept {
  chunks += other.chunks;
  free_chunks += other.free_chunks;
  live += other.live;
  free += other.free;
  top += other.top;
  trimmable += other.trimmable;
  trimmable_top += other.trimmable_top;
  lost += other.lost;
  live_virtual += other.live_virtual;
  free_virtual += other.free_virtual;
}

void WalkHeap(WordReader& words, const ResidentPages& pages, const FastBins& fast, uint64_t first, uint64_t end,
              Patience& patience, HeapSums& sums) noexcept {
  HeapWalk(words, pages, fast, end, false, patience, sums).From(first);
}

bool ReadArenaHeap(WordReader& words, uint64_t start, uint64_t limit, Patience& patience, ArenaHeap& heap) noexcept {
  // struct heap_info: ar_ptr, prev, size, mprotect_size, and since glibc 2.35 pagesize; the first heap's arena lies
  // behind.
  const auto is_heap = [](uint64_t address) { return address % kArenaHeapBytes == 0; };
  const uint64_t page = PageSize();
  uint64_t arena;
  uint64_t previous;
  uint64_t size;
  if (!words.Read(start, arena) || !words.Read(start + 8, previous) || !words.Read(start + kArenaHeapSizeOffset, size))
    return false;
  const uint64_t offset = arena % kArenaHeapBytes;
  if (arena < kArenaHeapBytes || offset < 24 || offset > 64 || !is_heap(previous)) return false;
  // The next heap begins where this one must have ended, whatever it says.
  if (size == 0 || size > std::min(limit - start, kArenaHeapBytes) || size % page != 0) return false;
  const uint64_t end = start + size;
  const uint64_t to = std::min(start + page, end);
  // Threads allocate meanwhile: a chain that breaks is looked for anew, as whatever else it is it is an arena's heap.
  for (int tries = 0; tries < 3; tries++, words.Forget()) {
    const uint64_t first = FirstChain(words, start + 32, to, end, patience);
    if (first < to) {
      heap = {arena, first, end};
      return true;
    }
  }
  return false;
}

void AnonymousSums::Add(const AnonymousSums& sums) noexcept {
  blocks += sums.blocks;
  blocks_virtual += sums.blocks_virtual;
  blocks_resident += sums.blocks_resident;
  heaps.Add(sums.heaps);
  other += sums.other;
}

void WalkAnonymous(PageSource& source, WordReader& words, const ResidentPages& pages, const FastBins& fast,
                   uint64_t start, uint64_t end, Patience& patience, AnonymousSums& sums) noexcept {
  const uint64_t page = PageSize();
  PageHeaders headers(source, pages, end);
  uint64_t boundary;  // where what came before has ended
  uint64_t front;     // the first page behind it that is there
  const auto begin_at = [&](uint64_t address) {
    boundary = address;
    front = pages.NextResident(address, end);
    headers.Skip();
    return front;
  };
  for (uint64_t at = begin_at(start); at < end; at = pages.NextResident(at, end)) {
    ChunkHeader first;
    if (headers.Read(at, 0, first)) {
      ChunkHeader header = first;
      AddressRange block = MappedBlock(header, at, at, end);
      // An aligned block begins deeper inside the page, as far as its alignment says. Up to some it is looked for in
      // every page: where the front of a mapping comes and goes, what came before has no end that is known.
      for (uint64_t align = 64; block.end == 0 && align <= PageHeaders::kFront; align *= 2) {
        const uint64_t chunk = at + align - kHeader;
        if (headers.Read(at, align - kHeader, header)) block = MappedBlock(header, chunk, at, end);
      }
      for (uint64_t align = 64; block.end == 0 && at == front && align <= page; align *= 2) {
        const uint64_t chunk = at + align - kHeader;
        if (words.Read(chunk, header.previous) && words.Read(chunk + 8, header.size)) {
          block = MappedBlock(header, chunk, boundary, end);
        }
      }
      if (block.end != 0) {
        sums.blocks++;
        sums.blocks_virtual += block.end - block.start;
        sums.blocks_resident += pages.Bytes(block.start, block.end);
        at = begin_at(block.end);
        continue;
      }
      const bool may_be_heap =
          first.previous == 0 && (first.size & kFlags) == kPreviousInUse && IsSize(first.size, end - at);
      if (may_be_heap && FirstChain(words, at, at + 1, end, patience) == at) {
        at = begin_at(HeapWalk(words, pages, fast, end, true, patience, sums.heaps).From(at));
        continue;
      }
    }
    sums.other += page;
    at += page;
  }
}

}  // namespace tidemark
