// Heaps laid out by hand, one test a rule.

#include "ledger/glibc_heap.h"

#include <gtest/gtest.h>

#include <cstring>
#include <ctime>
#include <random>

#include "ledger/test_image.h"

namespace tidemark {
namespace {

constexpr uint64_t kPage = kImagePage;

HeapSums Walk(Image& image, uint64_t first, uint64_t end, uint64_t arena = 0) {
  ResidentPages pages;
  image.MarkIn(pages);
  WordReader words(image, pages);
  FastBins fast(image);
  if (arena != 0) fast.Add(arena);
  fast.Seal();
  Patience patience;
  HeapSums sums;
  WalkHeap(words, pages, fast, first, end, patience, sums);
  EXPECT_FALSE(image.touched_absent);
  return sums;
}

AnonymousSums WalkMapping(Image& image) {
  ResidentPages pages;
  image.MarkIn(pages);
  WordReader words(image, pages);
  Patience patience;
  AnonymousSums sums;
  WalkAnonymous(image, words, pages, FastBins(image), image.start(), image.end(), patience, sums);
  EXPECT_FALSE(image.touched_absent);
  return sums;
}

class GlibcHeap : public testing::Test {
 protected:
  void SetUp() override {
    if (PageSize() != kPage) GTEST_SKIP() << "addresses below are for pages of 4 KiB";
  }
};

TEST_F(GlibcHeap, TellsLiveFromFreeAndTheTop) {
  Image heap(0x10000000, 64 * kPage);
  uint64_t at = heap.start();
  at = heap.Chunk(at, 0x1000);
  at = heap.Free(at, 0x2010);
  at = heap.Chunk(at, 0x3000, false);
  heap.Chunk(at, heap.end() - at);
  const HeapSums sums = Walk(heap, heap.start(), heap.end());
  EXPECT_EQ(sums.chunks, 4u);
  EXPECT_EQ(sums.free_chunks, 2u);
  EXPECT_EQ(sums.live, 0x4000u);
  EXPECT_EQ(sums.live_virtual, 0x4000u);
  EXPECT_EQ(sums.top, heap.end() - at);
  EXPECT_EQ(sums.free, 0x2010 + sums.top);
  EXPECT_EQ(sums.lost, 0u);
  // Of the free chunk the pages behind its header, of the top all but what must stay.
  EXPECT_EQ(sums.trimmable, 1 * kPage);
  EXPECT_EQ(sums.trimmable_top, (heap.end() - at) / kPage * kPage);
}

TEST_F(GlibcHeap, CountsPagesThatWereGivenBackAsNothing) {
  Image heap(0x10000000, 64 * kPage);
  uint64_t at = heap.Chunk(heap.start(), 0x1000);
  const uint64_t free = at;
  at = heap.Free(at, 0x10000);
  at = heap.Chunk(at, 0x1000, false);
  heap.Chunk(at, heap.end() - at);
  heap.TakeOut(free + kPage, free + 0xf000);
  heap.TakeOut(at + kPage, heap.end());
  const HeapSums sums = Walk(heap, heap.start(), heap.end());
  EXPECT_EQ(sums.live, 0x2000u);
  EXPECT_EQ(sums.free, 2 * kPage + kPage);
  EXPECT_EQ(sums.free_virtual, 0x10000 + (heap.end() - at));
  EXPECT_EQ(sums.trimmable, kPage);
  EXPECT_EQ(sums.trimmable_top, 0u);
}

TEST_F(GlibcHeap, EndsAtTheFencepostsOfAFullHeap) {
  Image heap(0x10000000, 4 * kPage);
  uint64_t at = heap.Chunk(heap.start(), heap.end() - heap.start() - 32);
  at = heap.Chunk(at, 16);
  heap.Word(at + 8, 1);
  const HeapSums sums = Walk(heap, heap.start(), heap.end());
  EXPECT_EQ(sums.lost, 0u);
  EXPECT_EQ(sums.live, 4 * kPage);
}

// The brk heap goes on growing while it is walked: its last chunk then ends behind what was looked at.
TEST_F(GlibcHeap, AChunkThatEndsBehindAHeapThatGrewIsNotLost) {
  Image heap(0x10000000, 64 * kPage);
  uint64_t at = heap.start();
  for (int i = 0; i < 50; i++) at = heap.Chunk(at, 0x1000);
  heap.Chunk(at, heap.end() - at + 0x21000);
  const HeapSums sums = Walk(heap, heap.start(), heap.end());
  EXPECT_EQ(sums.lost, 0u);
  EXPECT_EQ(sums.live, 64 * kPage);
}

// Reads one word wrong the first time, as a thread that writes it meanwhile may make a walk do.
class TornWord final : public PageSource {
 public:
  TornWord(Image& image, uint64_t address, uint64_t word) : image_(image), address_(address), word_(word) {}

  size_t Read(uint64_t address, void* to, size_t size) noexcept override {
    const size_t read = image_.Read(address, to, size);
    if (address_ >= address && address_ + sizeof word_ <= address + read && !torn_) {
      std::memcpy(static_cast<char*>(to) + (address_ - address), &word_, sizeof word_);
      torn_ = true;
    }
    return read;
  }
  size_t ReadEach(const uint64_t* addresses, size_t count, size_t size, void* to) noexcept override {
    return image_.ReadEach(addresses, count, size, to);
  }
  bool IsResident(uint64_t address) noexcept override { return image_.IsResident(address); }

 private:
  Image& image_;
  uint64_t address_;
  uint64_t word_;
  bool torn_ = false;
};

TEST_F(GlibcHeap, AWordThatWasReadWhileItChangedIsNotTakenForTheEndOfAHeapThatGrew) {
  Image heap(0x10000000, 64 * kPage);
  uint64_t at = heap.start();
  for (int i = 0; i < 20; i++) at = heap.Chunk(at, 0x1000);
  heap.Chunk(at, heap.end() - at);
  TornWord source(heap, heap.start() + 10 * kPage + 8, 0x100001);
  ResidentPages pages;
  heap.MarkIn(pages);
  WordReader words(source, pages);
  FastBins fast(heap);
  Patience patience;
  HeapSums sums;
  WalkHeap(words, pages, fast, heap.start(), heap.end(), patience, sums);
  EXPECT_EQ(sums.live, 20 * kPage);
  EXPECT_EQ(sums.top, 44 * kPage);
}

TEST_F(GlibcHeap, GoesOnBehindWhatMakesNoSenseAndSaysHowMuchThatIs) {
  Image heap(0x10000000, 256 * kPage);
  uint64_t at = heap.start();
  while (at < heap.start() + 100 * kPage) at = heap.Chunk(at, 0x400);
  heap.Word(at + 8, 0xdeadbeef);
  // Where it goes on: chunks again, up to a top.
  uint64_t on = heap.start() + 130 * kPage + 0x50;
  while (on < heap.end() - 10 * kPage) on = heap.Chunk(on, 0x410);
  heap.Chunk(on, heap.end() - on);
  const HeapSums sums = Walk(heap, heap.start(), heap.end());
  EXPECT_EQ(sums.lost, 30 * kPage + 0x50);
  EXPECT_EQ(sums.live + sums.free + sums.lost, 256 * kPage);
  EXPECT_GT(sums.live, 200 * kPage);
}

TEST_F(GlibcHeap, HostileHeadersEndAWalkAndCountEveryByteOnce) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 300; round++) {
    Image heap(0x10000000, 40 * kPage);
    for (uint64_t at = heap.start(); at < heap.end(); at += 8) {
      const uint64_t word = random();
      heap.Word(at, round % 3 == 0 ? word : round % 3 == 1 ? word & 0xff7 : (word & 0x3) * 0x20 + 1);
    }
    if (round % 2 == 0) heap.TakeOut(heap.start() + 4 * kPage, heap.start() + 9 * kPage);
    const HeapSums sums = Walk(heap, heap.start(), heap.end());
    EXPECT_LE(sums.live + sums.free + sums.lost, 40 * kPage);
    const AnonymousSums mapping = WalkMapping(heap);
    const uint64_t resident = (round % 2 == 0 ? 35 : 40) * kPage;
    EXPECT_EQ(mapping.blocks_resident + mapping.heaps.live + mapping.heaps.free + mapping.heaps.lost + mapping.other,
              resident);
  }
}

// Chains that are found again on every other page, behind hundreds that come to nothing far away; or that begin on
// every page and come to nothing.
TEST_F(GlibcHeap, ChainsThatLeadNowhereAreFollowedForAWhileOnlyInAllMappingsTogether) {
  constexpr uint64_t kPages = 2000;
  Image heap(0x10000000, kPages * kPage);
  const uint64_t half = heap.start() + kPages / 2 * kPage;
  for (uint64_t at = heap.start(); at < half; at += 16) heap.Chunk(at, kPages / 2 * kPage);
  for (uint64_t at = heap.start(); at + 2 * kPage < half; at += 2 * kPage) {
    uint64_t chunk = heap.Chunk(at + kPage - 16, 32);
    for (int i = 0; i < 41; i++) chunk = heap.Chunk(chunk, 16);
    heap.Word(chunk + 8, 8);
  }
  heap.Word(heap.start() + 8, 8);
  Image mapping(0x20000000, 8000 * kPage);
  for (uint64_t at = mapping.start(); at + 210 * kPage < mapping.end(); at += kPage) mapping.Chunk(at, 210 * kPage);

  ResidentPages pages;
  const FastBins fast(heap);
  Patience patience;
  HeapSums sums;
  heap.MarkIn(pages);
  WordReader words(heap, pages);
  WalkHeap(words, pages, fast, heap.start(), heap.end(), patience, sums);
  EXPECT_EQ(sums.live + sums.free + sums.lost, kPages * kPage);
  EXPECT_GT(sums.live, 0u);
  for (int round = 0; round < 3; round++) {
    AnonymousSums anonymous;
    mapping.MarkIn(pages);
    WordReader more(mapping, pages);
    WalkAnonymous(mapping, more, pages, fast, mapping.start(), mapping.end(), patience, anonymous);
    EXPECT_EQ(anonymous.other, 8000 * kPage);
  }
  EXPECT_LT(heap.reads + mapping.reads, 30'000);
}

// A bin of each kind of link: hidden by its place, as since glibc 2.32, and plain.
TEST_F(GlibcHeap, ChunksInFastbinsAreFreeAndMeltWithTheirNeighbours) {
  for (const bool hidden : {true, false}) {
    Image heap(0x10000000, 64 * kPage);
    const uint64_t arena = heap.start();
    const auto link = [&](uint64_t chunk, uint64_t next) {
      heap.Word(chunk + 16, hidden ? next ^ ((chunk + 16) >> 12) : next);
    };
    const uint64_t first = heap.start() + kPage;
    uint64_t at = first;
    uint64_t next[2] = {0, 0};
    uint64_t run = first;  // of free chunks
    uint64_t whole_pages = 0;
    for (int i = 0; i < 1000; i++) {
      const int bin = i % 2;
      const uint64_t chunk = at;
      at = heap.Chunk(chunk, bin == 0 ? 0x20 : 0x80);
      if (i % 100 == 99) {  // in use
        whole_pages += chunk / kPage * kPage - (run + 48 + kPage - 1) / kPage * kPage;
        run = at;
        continue;
      }
      link(chunk, next[bin]);
      next[bin] = chunk;
    }
    heap.Word(arena + 16, next[0]);
    heap.Word(arena + 16 + 6 * 8, next[1]);
    at = heap.Chunk(at, 0x1000);
    heap.Chunk(at, heap.end() - at);
    const HeapSums sums = Walk(heap, first, heap.end(), arena);
    EXPECT_EQ(sums.free_chunks, 990u + 1u);
    EXPECT_EQ(sums.live, 10 * 0x80u + 0x1000u);
    EXPECT_EQ(sums.free - sums.top, 500 * 0x20u + 490 * 0x80u);
    EXPECT_EQ(sums.trimmable, whole_pages);
    EXPECT_GT(whole_pages, 0u);
  }
}

TEST_F(GlibcHeap, FreeChunksBeforeTheTopBecomeTheTop) {
  Image heap(0x10000000, 64 * kPage);
  const uint64_t arena = heap.start();
  const uint64_t first = heap.start() + kPage;
  uint64_t at = heap.Chunk(first, 0x1000);
  const uint64_t free = at;
  uint64_t next = 0;
  for (int i = 0; i < 200; i++) {
    heap.Word(at + 16, next ^ ((at + 16) >> 12));
    next = at;
    at = heap.Chunk(at, 0x80);
  }
  heap.Word(arena + 16 + 6 * 8, next);
  heap.Chunk(at, heap.end() - at);
  const HeapSums sums = Walk(heap, first, heap.end(), arena);
  EXPECT_EQ(sums.live, 0x1000u);
  EXPECT_EQ(sums.top, heap.end() - free);
  EXPECT_EQ(sums.free, sums.top);
  EXPECT_EQ(sums.trimmable, 0u);
  EXPECT_EQ(sums.trimmable_top, (heap.end() - free) / kPage * kPage - kPage);
}

TEST_F(GlibcHeap, AnArenasFirstChunkIsFoundBehindItsDescription) {
  const uint64_t start = 3 * kArenaHeapBytes;
  Image heap(start, 33 * kPage);
  heap.Word(start, start + 0x30);                   // ar_ptr
  heap.Word(start + 16, 33 * kPage);                // size
  heap.Word(start + 0x90, start + 0x8d0 + 0x5000);  // somewhere in the arena: its top
  uint64_t at = start + 0x8d0;
  for (int i = 0; i < 60; i++) at = heap.Chunk(at, 0x30, true, 4);
  heap.Chunk(at, heap.end() - at);
  ResidentPages pages;
  heap.MarkIn(pages);
  WordReader words(heap, pages);
  Patience patience;
  ArenaHeap found;
  ASSERT_TRUE(ReadArenaHeap(words, start, heap.end(), patience, found));
  EXPECT_EQ(found.arena, start + 0x30);
  EXPECT_EQ(found.first, start + 0x8d0);
  EXPECT_EQ(found.end, heap.end());

  heap.Word(start, 0x1234);
  words.Forget();
  EXPECT_FALSE(ReadArenaHeap(words, start, heap.end(), patience, found));
}

// Whatever it says of itself: it would be walked once more for each heap behind it.
TEST_F(GlibcHeap, AnArenasHeapIsNoLargerThanHeapsAre) {
  const uint64_t start = 3 * kArenaHeapBytes;
  Image heaps(start, 2 * kArenaHeapBytes);
  uint64_t at = start + 0x8d0;
  for (int i = 0; i < 60; i++) at = heaps.Chunk(at, 0x30);
  ResidentPages pages;
  heaps.MarkIn(pages);
  WordReader words(heaps, pages);
  Patience patience;
  ArenaHeap found;
  heaps.Word(start, start + 0x30);
  for (const uint64_t size : {kArenaHeapBytes, kArenaHeapBytes + kPage}) {
    heaps.Word(start + 16, size);
    heaps.Chunk(at, start + size - at);
    words.Forget();
    EXPECT_EQ(ReadArenaHeap(words, start, heaps.end(), patience, found), size == kArenaHeapBytes);
  }
}

TEST_F(GlibcHeap, TellsBlocksFromEachOtherAndFromWhatIsNotMallocs) {
  Image mapping(0x7f0000000000, 100 * kPage);
  uint64_t at = mapping.start();
  at += 3 * kPage;  // mapped by native code itself
  at = mapping.Chunk(at, 20 * kPage, false, 2);
  at = mapping.Chunk(at, 33 * kPage - 16, false, 2) + 16;  // as since glibc 2.43
  mapping.TakeOut(at - 10 * kPage, at);                    // never touched
  const AnonymousSums sums = WalkMapping(mapping);
  EXPECT_EQ(sums.blocks, 2u);
  EXPECT_EQ(sums.blocks_virtual, 53 * kPage);
  EXPECT_EQ(sums.blocks_resident, 43 * kPage);
  EXPECT_EQ(sums.other, 47 * kPage);
}

// As up to glibc 2.42, and since.
TEST_F(GlibcHeap, FindsBlocksOfMemalignByWhatTheyLeaveInFront) {
  for (const uint64_t before_end : {0, 16}) {
    for (const uint64_t align : {64, 256, 4096}) {
      Image mapping(0x7f0000000000, 64 * kPage);
      const uint64_t chunk = mapping.start() + align - 16;
      mapping.Word(chunk, align - 16);
      mapping.Word(chunk + 8, (64 * kPage - (align - 16) - before_end) | 2);
      const AnonymousSums sums = WalkMapping(mapping);
      EXPECT_EQ(sums.blocks, 1u) << align;
      EXPECT_EQ(sums.blocks_virtual, 64 * kPage) << align;
      EXPECT_EQ(sums.other, 0u) << align;
    }
  }
}

// The first pages were another block's when the mapping was read, and are gone: what comes behind has to be found all
// the same, or all of it would be taken for native code's own.
TEST_F(GlibcHeap, FindsAlignedBlocksBehindWhatHasNoEndThatIsKnown) {
  for (const uint64_t align : {64, 128, 256}) {
    Image mapping(0x7f0000000000, 100 * kPage);
    uint64_t at = mapping.start() + 4 * kPage;
    for (int i = 0; i < 3; i++) {
      const uint64_t chunk = at + align - 16;
      mapping.Word(chunk, align - 16);
      mapping.Word(chunk + 8, (32 * kPage - (align - 16)) | 2);
      at += 32 * kPage;
    }
    const AnonymousSums sums = WalkMapping(mapping);
    EXPECT_EQ(sums.blocks, 3u) << align;
    EXPECT_EQ(sums.blocks_virtual, 96 * kPage) << align;
    EXPECT_EQ(sums.other, 4 * kPage) << align;
  }
}

// Of which nobody has touched the front: a shadow of AddressSanitizer's, a reserve for objects.
TEST_F(GlibcHeap, AWideMappingIsWalkedInTheTimeThatItsResidentPagesTake) {
  class Zeros final : public PageSource {
    size_t Read(uint64_t /*address*/, void* to, size_t size) noexcept override {
      std::memset(to, 0, size);
      return size;
    }
    size_t ReadEach(const uint64_t* /*addresses*/, size_t count, size_t size, void* to) noexcept override {
      std::memset(to, 0, count * size);
      return count;
    }
    bool IsResident(uint64_t /*address*/) noexcept override { return true; }
  } source;
  constexpr uint64_t kStart = 0x7e0000000000;
  constexpr uint64_t kEnd = kStart + (uint64_t{256} << 30);
  constexpr uint64_t kResident = 8192 * kPage;
  ResidentPages pages;
  ASSERT_TRUE(pages.Reset(kStart, kEnd));
  pages.Mark(kEnd - kResident, kEnd);
  pages.Seal();
  WordReader words(source, pages);
  Patience patience;
  AnonymousSums sums;
  const std::clock_t began = std::clock();
  WalkAnonymous(source, words, pages, FastBins(source), kStart, kEnd, patience, sums);
  EXPECT_EQ(sums.other, kResident);
  EXPECT_LT(std::clock() - began, 2 * CLOCKS_PER_SEC) << "it was 8,192 times the time to look through all of it";
}

TEST_F(GlibcHeap, FindsAHeapThatTookAMappingInPlaceOfTheBrkHeap) {
  Image mapping(0x7f0000000000, 400 * kPage);
  uint64_t at = mapping.start() + 5 * kPage;  // not malloc's
  const uint64_t heap = at;
  for (int i = 0; i < 200; i++) at = mapping.Chunk(at, 0x210);
  const uint64_t top = at;
  at = mapping.Chunk(at, heap + 256 * kPage - at);
  mapping.Chunk(at, 40 * kPage, false, 2);  // a block behind the heap's end
  const AnonymousSums sums = WalkMapping(mapping);
  EXPECT_EQ(sums.heaps.live, 200 * 0x210u);
  EXPECT_EQ(sums.heaps.top, heap + 256 * kPage - top);
  EXPECT_EQ(sums.blocks, 1u);
  EXPECT_EQ(sums.other, (400 - 256 - 40) * kPage);
}

}  // namespace
}  // namespace tidemark
