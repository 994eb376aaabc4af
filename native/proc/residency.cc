#include "proc/residency.h"

#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <iterator>

#include "base/scratch.h"

namespace tidemark {
namespace {

constexpr uint64_t kSliceBytes = uint64_t{16} << 20;
constexpr size_t kSliceRanges = 256;
// mincore takes as long over an address that was never touched as over one that was; PAGEMAP_SCAN passes over those. A
// readable reserve of terabytes (a sanitizer's shadow memory) would take mincore ten seconds.
constexpr uint64_t kSparseBytes = uint64_t{64} << 30;
// Who waits 100 us for the lock loses less by it than by filling the 4 MiB that it wants to map (200 us and more);
// shorter holds make the reading longer (1.3 times at 50 us) and no gap of the event loop shorter that was measured.
constexpr int64_t kHoldNanos = 100'000;
constexpr int64_t kPauseNanos = 20'000;

// linux/fs.h of Linux 6.7; older headers lack it, and the kernel decides at run time anyway.
struct PageRegion {
  uint64_t start;
  uint64_t end;
  uint64_t categories;
};
constexpr size_t kRegions = 2048;  // of one scan; they fit a kept block
struct ScanArgument {
  uint64_t size;
  uint64_t flags;
  uint64_t start;
  uint64_t end;
  uint64_t walk_end;
  uint64_t vec;
  uint64_t vec_len;
  uint64_t max_pages;
  uint64_t category_inverted;
  uint64_t category_mask;
  uint64_t category_anyof_mask;
  uint64_t return_mask;
};
constexpr unsigned long kPagemapScan = _IOWR('f', 16, ScanArgument);
enum Category : uint64_t { kIsFile = 4, kIsPresent = 8, kIsSwapped = 16, kIsZero = 32, kIsGuard = 256 };

// Documentation/admin-guide/mm/pagemap.rst
constexpr uint64_t kPagemapPresent = uint64_t{1} << 63;
constexpr uint64_t kPagemapSwapped = uint64_t{1} << 62;
constexpr uint64_t kPagemapFile = uint64_t{1} << 61;
constexpr uint64_t kPagemapGuard = uint64_t{1} << 58;  // since Linux 6.15; marked as swapped too

int64_t Now() noexcept {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

// For the thread of one reading. Its timer slack, 50 us unless set, is longer than the pause: without it a third of the
// reading would be oversleeping (prctl(2), PR_SET_TIMERSLACK).
class Pace {
 public:
  Pace() noexcept = default;
  ~Pace() {
    if (paused_) prctl(PR_SET_TIMERSLACK, slack_);
  }
  Pace(const Pace&) = delete;
  Pace& operator=(const Pace&) = delete;

  void AfterSlice() noexcept {
    const int64_t now = Now();
    if (now - since_ < kHoldNanos) return;
    if (!paused_) {
      slack_ = static_cast<unsigned long>(std::max(0, prctl(PR_GET_TIMERSLACK)));  // 0: the default
      prctl(PR_SET_TIMERSLACK, 1UL);
      paused_ = true;
    }
    const timespec pause{0, kPauseNanos};
    nanosleep(&pause, nullptr);
    since_ = Now();
  }

 private:
  int64_t since_ = Now();
  bool paused_ = false;
  unsigned long slack_ = 0;
};

uint64_t CountResident(const unsigned char* pages, size_t n) noexcept {
  // One byte a page, of which only bit 0 is defined; eight at a time.
  uint64_t resident = 0;
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    uint64_t eight;
    std::memcpy(&eight, pages + i, sizeof eight);
    resident += ((eight & 0x0101010101010101) * 0x0101010101010101) >> 56;
  }
  for (; i < n; i++) resident += pages[i] & 1;
  return resident;
}

bool Mincore(uint64_t start, uint64_t end, unsigned char* pages) noexcept {
  return mincore(reinterpret_cast<void*>(start), end - start, pages) == 0;  // NOLINT(performance-no-int-to-ptr)
}

// Which pages of [start, end), a slice at most, are resident: bit 0 of a byte each. `pagemap` may be -1.
int ReadSlice(int pagemap, uint64_t start, uint64_t end, unsigned char* pages) noexcept {
  if (Mincore(start, end, pages)) return 0;
  if (errno != ENOMEM && errno != EAGAIN) return errno;
  // Where some of it has been unmapped since, mincore tells nothing of the rest; pagemap does, at twice the price.
  const uint64_t page = PageSize();
  const size_t n = (end - start) / page;
  std::memset(pages, 0, n);
  for (size_t i = 0; i < n;) {
    uint64_t entries[512];
    const size_t want = std::min(n - i, std::size(entries));
    const ssize_t got = pread(pagemap, entries, want * sizeof(uint64_t), static_cast<off_t>((start / page + i) * 8));
    const size_t read = got < 0 ? 0 : static_cast<size_t>(got) / sizeof(uint64_t);
    if (read == 0) break;
    for (size_t k = 0; k < read; k++) pages[i + k] = (entries[k] & kPagemapPresent) != 0 ? 1 : 0;
    i += read;
  }
  return 0;
}

void AddRegion(const PageRegion& region, ResidentRange& range) noexcept {
  const uint64_t bytes = region.end - region.start;
  if ((region.categories & kIsGuard) != 0) return;  // reported as swapped too
  if ((region.categories & kIsSwapped) != 0) {
    range.swap += bytes;
  } else if ((region.categories & kIsPresent) != 0 && (region.categories & kIsZero) == 0) {
    range.anon += bytes;
    if (region.start == range.start) range.first_page_resident = true;
  }
}

// Calls `visit(region)` for what of [start, end) is present or swapped, a slice at a time.
template <class Visit>
int Scan(int pagemap, uint64_t start, uint64_t end, bool cow, PageRegion* regions, size_t capacity, Pace& pace,
         Visit&& visit) noexcept {
  ScanArgument scan = {};
  scan.size = sizeof scan;
  scan.end = end;
  scan.vec = reinterpret_cast<uint64_t>(regions);
  scan.vec_len = capacity;
  scan.max_pages = kSliceBytes / PageSize();
  scan.category_anyof_mask = kIsPresent | kIsSwapped;
  scan.return_mask = kIsPresent | kIsSwapped | kIsZero | kIsGuard;
  if (cow) {
    // Looking a page's file up doubles the price, so only where it may have one.
    scan.category_mask = kIsFile;
    scan.category_inverted = kIsFile;
  }
  for (uint64_t at = start; at < end; at = scan.walk_end) {
    scan.start = at;
    long n = ioctl(pagemap, kPagemapScan, &scan);
    if (n < 0 && errno == EINVAL && (scan.return_mask & kIsGuard) != 0) {  // kernels before 6.15
      scan.return_mask &= ~static_cast<uint64_t>(kIsGuard);
      n = ioctl(pagemap, kPagemapScan, &scan);
    }
    if (n < 0) return errno;
    for (long i = 0; i < n; i++) visit(regions[i]);
    // The kernel collects 512 regions at a time and leaves walk_end where it last had to pause for that, though it went
    // on to the end (do_pagemap_scan, task_mmu.c): from there, up to 511 regions would be visited twice.
    if (n > 0) scan.walk_end = std::max<uint64_t>(scan.walk_end, regions[n - 1].end);
    if (scan.walk_end <= at) break;
    pace.AfterSlice();
  }
  return 0;
}

int ScanRange(int pagemap, ResidentRange& range, bool cow, PageRegion* regions, size_t capacity, Pace& pace) noexcept {
  return Scan(pagemap, range.start, range.end, cow, regions, capacity, pace,
              [&range](const PageRegion& region) { AddRegion(region, range); });
}

int CountByScan(int pagemap, RangeArray& ranges, bool cow) noexcept {
  Scratch vector(kRegions * sizeof(PageRegion));
  auto* regions = static_cast<PageRegion*>(vector.data());
  if (regions == nullptr) return ENOMEM;
  Pace pace;
  for (ResidentRange& range : ranges) {
    const int error = ScanRange(pagemap, range, cow, regions, kRegions, pace);
    if (error != 0) return error;
  }
  return 0;
}

// `pagemap` may be -1.
int CountByMincore(int pagemap, RangeArray& ranges) noexcept {
  const uint64_t page = PageSize();
  const bool scans = pagemap >= 0 && HasPagemapScan();
  const auto is_sparse = [&](const ResidentRange& range) { return scans && range.end - range.start > kSparseBytes; };
  Scratch vector(kSliceBytes / page);
  Scratch region_vector(scans ? kRegions * sizeof(PageRegion) : 0);
  auto* pages = static_cast<unsigned char*>(vector.data());
  auto* regions = static_cast<PageRegion*>(region_vector.data());
  if (pages == nullptr || regions == nullptr) return ENOMEM;
  Pace pace;
  size_t i = 0;
  uint64_t at = ranges.size() > 0 ? ranges[0].start : 0;
  while (i < ranges.size()) {
    if (is_sparse(ranges[i])) {
      const int error = ScanRange(pagemap, ranges[i], false, regions, kRegions, pace);
      if (error != 0) return error;
      if (++i < ranges.size()) at = ranges[i].start;
      continue;
    }
    // The slice [at, stop) covers ranges[i] from `at` on, and whole or cut ranges behind it without a hole.
    const uint64_t limit = at + kSliceBytes;
    size_t last = i;
    uint64_t stop = std::min(ranges[i].end, limit);
    while (stop < limit && last + 1 < ranges.size() && last - i < kSliceRanges && ranges[last + 1].start == stop &&
           !is_sparse(ranges[last + 1])) {
      last++;
      stop = std::min(ranges[last].end, limit);
    }
    const int error = ReadSlice(pagemap, at, stop, pages);
    if (error != 0) return error;
    for (size_t r = i; r <= last; r++) {
      const uint64_t from = std::max(at, ranges[r].start);
      const uint64_t to = std::min(stop, ranges[r].end);
      const unsigned char* first = pages + (from - at) / page;
      if (from == ranges[r].start) ranges[r].first_page_resident = (*first & 1) != 0;
      ranges[r].anon += CountResident(first, (to - from) / page) * page;
    }
    i = stop == ranges[last].end ? last + 1 : last;
    if (i < ranges.size()) at = std::max(stop, ranges[i].start);
    pace.AfterSlice();
  }
  return 0;
}

int CountByPagemap(int pagemap, RangeArray& ranges, bool cow) noexcept {
  constexpr size_t kEntries = 8192;
  const uint64_t page = PageSize();
  Scratch vector(kEntries * sizeof(uint64_t));
  auto* entries = static_cast<uint64_t*>(vector.data());
  if (entries == nullptr) return ENOMEM;
  Pace pace;
  for (ResidentRange& range : ranges) {
    for (uint64_t at = range.start; at < range.end;) {
      const size_t want = std::min<uint64_t>(kEntries, (range.end - at) / page);
      const ssize_t got = pread(pagemap, entries, want * sizeof(uint64_t), static_cast<off_t>(at / page * 8));
      if (got < 0) return errno;
      const size_t n = static_cast<size_t>(got) / sizeof(uint64_t);
      if (n == 0) break;
      for (size_t k = 0; k < n; k++) {
        if ((entries[k] & (kPagemapSwapped | kPagemapGuard)) == kPagemapSwapped) range.swap += page;
        if ((entries[k] & kPagemapPresent) == 0 || (cow && (entries[k] & kPagemapFile) != 0)) continue;
        range.anon += page;
        if (at == range.start && k == 0) range.first_page_resident = true;
      }
      at += n * page;
      pace.AfterSlice();
    }
  }
  return 0;
}

int MarkByScan(int pagemap, ResidentPages& pages) noexcept {
  Scratch vector(kRegions * sizeof(PageRegion));
  auto* regions = static_cast<PageRegion*>(vector.data());
  if (regions == nullptr) return ENOMEM;
  Pace pace;
  return Scan(pagemap, pages.start(), pages.end(), false, regions, kRegions, pace, [&pages](const PageRegion& region) {
    constexpr uint64_t kNotOurs = kIsZero | kIsGuard | kIsSwapped;
    if ((region.categories & kIsPresent) != 0 && (region.categories & kNotOurs) == 0) {
      pages.Mark(region.start, region.end);
    }
  });
}

int MarkByMincore(int pagemap, ResidentPages& pages) noexcept {
  const uint64_t page = PageSize();
  Scratch vector(kSliceBytes / page);
  auto* resident = static_cast<unsigned char*>(vector.data());
  if (resident == nullptr) return ENOMEM;
  Pace pace;
  for (uint64_t at = pages.start(); at < pages.end(); at += kSliceBytes) {
    const uint64_t stop = std::min(at + kSliceBytes, pages.end());
    const int error = ReadSlice(pagemap, at, stop, resident);
    if (error != 0) return error;
    const size_t n = (stop - at) / page;
    for (size_t i = 0; i < n;) {
      size_t end = i;
      while (end < n && (resident[end] & 1) != 0) end++;
      if (end > i) pages.Mark(at + i * page, at + end * page);
      i = end + 1;
    }
    pace.AfterSlice();
  }
  return 0;
}

int MarkByPagemap(int pagemap, ResidentPages& pages) noexcept {
  constexpr size_t kEntries = 8192;
  const uint64_t page = PageSize();
  Scratch vector(kEntries * sizeof(uint64_t));
  auto* entries = static_cast<uint64_t*>(vector.data());
  if (entries == nullptr) return ENOMEM;
  Pace pace;
  for (uint64_t at = pages.start(); at < pages.end();) {
    const size_t want = std::min<uint64_t>(kEntries, (pages.end() - at) / page);
    const ssize_t got = pread(pagemap, entries, want * sizeof(uint64_t), static_cast<off_t>(at / page * 8));
    if (got < 0) return errno;
    const size_t n = static_cast<size_t>(got) / sizeof(uint64_t);
    if (n == 0) break;
    for (size_t k = 0; k < n; k++) {
      if ((entries[k] & kPagemapPresent) != 0) pages.Mark(at + k * page, at + (k + 1) * page);
    }
    at += n * page;
    pace.AfterSlice();
  }
  return 0;
}

}  // namespace

bool HasPagemapScan() noexcept {
  static std::atomic<int> known = -1;
  int has = known.load(std::memory_order_relaxed);
  if (has >= 0) return has != 0;
  const UniqueFd pagemap = OpenProc(ProcPath(0, "pagemap"));
  if (!pagemap) return false;  // descriptors may be short, and that says nothing of the kernel: asked again next time
  char here = 0;
  const uint64_t page = reinterpret_cast<uint64_t>(&here) & ~(uint64_t{PageSize()} - 1);
  PageRegion region;
  ScanArgument scan = {};
  scan.size = sizeof scan;
  scan.start = page;
  scan.end = page + PageSize();
  scan.vec = reinterpret_cast<uint64_t>(&region);
  scan.vec_len = 1;
  scan.category_mask = kIsPresent;
  scan.return_mask = kIsPresent;
  has = ioctl(pagemap.get(), kPagemapScan, &scan) >= 0 ? 1 : 0;
  known.store(has, std::memory_order_relaxed);
  return has != 0;
}

Failure ReadResidency(pid_t pid, RangeArray& anonymous, RangeArray& cow, ResidencySource& used) noexcept {
  const ProcPath path(pid, "pagemap");
  const UniqueFd pagemap = OpenProc(path);
  // Sandboxes such as gVisor have none. Our own anonymous memory needs none; copied file pages then count 0.
  if (!pagemap && pid != 0) return FailureAt(path, errno);
  const auto count = [&](RangeArray& ranges, bool is_cow) {
    return HasPagemapScan() ? CountByScan(pagemap.get(), ranges, is_cow)
                            : CountByPagemap(pagemap.get(), ranges, is_cow);
  };
  if (pid == 0) {
    used = ResidencySource::kMincore;
  } else {
    used = HasPagemapScan() ? ResidencySource::kPagemapScan : ResidencySource::kPagemap;
  }
  int error = pid == 0 ? CountByMincore(pagemap.get(), anonymous) : count(anonymous, false);
  if (error == 0 && pagemap) error = count(cow, true);
  return error == 0 ? Failure{} : FailureAt(path, error);
}

uint64_t OwnResidentBytes(uint64_t address, uint64_t size) noexcept {
  const uint64_t page = PageSize();
  const uint64_t start = address / page * page;
  const uint64_t end = (address + size + page - 1) / page * page;
  Scratch vector(std::min(end - start, kSliceBytes) / page);
  auto* pages = static_cast<unsigned char*>(vector.data());
  if (pages == nullptr) return 0;
  uint64_t resident = 0;
  for (uint64_t at = start; at < end; at += kSliceBytes) {
    const uint64_t stop = std::min(at + kSliceBytes, end);
    if (Mincore(at, stop, pages)) resident += CountResident(pages, (stop - at) / page) * page;
  }
  return std::min(resident, size);
}

PageMarker::PageMarker(pid_t pid) noexcept
    : path_(pid, "pagemap"), pagemap_(OpenProc(path_)), no_pagemap_(pagemap_ ? 0 : errno), is_own_(pid == 0) {}

Failure PageMarker::Mark(ResidentPages& pages) noexcept {
  int error = no_pagemap_;
  if (is_own_ && pages.end() - pages.start() <= kSparseBytes) {
    error = MarkByMincore(pagemap_.get(), pages);
  } else if (pagemap_) {
    error = HasPagemapScan() ? MarkByScan(pagemap_.get(), pages) : MarkByPagemap(pagemap_.get(), pages);
  }
  pages.Seal();
  return error == 0 ? Failure{} : FailureAt(path_, error);
}

}  // namespace tidemark
