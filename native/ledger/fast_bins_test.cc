// Arenas laid out by hand, one test a rule.

#include "ledger/fast_bins.h"

#include <gtest/gtest.h>

#include <random>

#include "ledger/test_image.h"

namespace tidemark {
namespace {

constexpr uint64_t kPage = kImagePage;
constexpr uint64_t kStart = 0x10000000;

uint64_t Hidden(uint64_t chunk, uint64_t next) { return next ^ ((chunk + 16) >> 12); }

size_t Count(FastBins& bins) {
  bins.Seal();
  return static_cast<size_t>(bins.end() - bins.From(0));
}

// Freed chunks of 0x40 bytes, each the next one of the one behind it; the last but one is what the bin begins with.
void FillBin(Image& image, uint64_t arena, uint64_t first, int count) {
  uint64_t next = 0;
  for (int i = 0; i < count; i++) {
    const uint64_t chunk = first + static_cast<uint64_t>(i) * 0x40;
    image.Chunk(chunk, 0x40);
    image.Word(chunk + 16, Hidden(chunk, next));
    next = chunk;
  }
  image.Word(arena + 16 + 2 * 8, next);
}

TEST(FastBins, AreInOrderOfAddress) {
  Image image(kStart, 16 * kPage);
  FillBin(image, kStart, kStart + kPage, 100);
  FastBins bins(image);
  bins.Add(kStart);
  EXPECT_EQ(Count(bins), 100u);
  EXPECT_EQ(*bins.From(0), kStart + kPage);
  EXPECT_EQ(*bins.From(kStart + kPage + 1), kStart + kPage + 0x40);
  EXPECT_EQ(bins.From(kStart + kPage + 100 * 0x40), bins.end());
}

TEST(FastBins, AListThatLeadsToAnotherSizeEndsThere) {
  Image image(kStart, 16 * kPage);
  FillBin(image, kStart, kStart + kPage, 100);
  image.Chunk(kStart + kPage + 30 * 0x40, 0x50);
  FastBins bins(image);
  bins.Add(kStart);
  EXPECT_EQ(Count(bins), 69u);
}

TEST(FastBins, OfTheMainArenaAreFoundByTheTopOfTheHeap) {
  Image image(kStart, 64 * kPage);
  const uint64_t heap = kStart + 16 * kPage;
  FillBin(image, kStart + 2 * kPage + 0x40, heap, 100);
  const uint64_t top = heap + 100 * 0x40;
  image.Chunk(top, image.end() - top);
  FastBins bins(image);
  bins.AddMainArena(kStart, kStart + 4 * kPage, heap, image.end());
  EXPECT_EQ(Count(bins), 0u) << "no word says where the top is";
  image.Word(kStart + 2 * kPage + 0x40 + 96, top);
  FastBins found(image);
  found.AddMainArena(kStart, kStart + 4 * kPage, heap, image.end());
  EXPECT_EQ(Count(found), 100u);
}

TEST(FastBins, APageThatIsNotThereIsAskedForOnce) {
  Image image(kStart, 64 * kPage);
  image.TakeOut(kStart, kStart + 8 * kPage);
  FastBins bins(image);
  bins.AddMainArena(kStart, kStart + 8 * kPage, kStart + 16 * kPage, image.end());
  EXPECT_EQ(image.asked, 8);
}

// The rest may be mallocs that have merged with libc's data, or as large as another process likes.
TEST(FastBins, OfTheMainArenaAreLookedForInWhatCanBeLibcsDataAndNoFurtherThanTheArena) {
  Image image(kStart, 64 * kPage);
  const uint64_t heap = kStart + 16 * kPage;
  FillBin(image, kStart + 2 * kPage + 0x40, heap, 100);
  const uint64_t top = heap + 100 * 0x40;
  image.Chunk(top, image.end() - top);
  FastBins none(image);
  none.AddMainArena(kStart, kStart + 65536 * kPage, heap, image.end());
  EXPECT_LE(image.asked, 256 + 1);

  image.Word(kStart + 2 * kPage + 0x40 + 96, top);
  image.asked = 0;
  FastBins found(image);
  found.AddMainArena(kStart, kStart + 65536 * kPage, heap, image.end());
  EXPECT_EQ(Count(found), 100u);
  EXPECT_LE(image.asked, 3 + 3) << "up to the arena; the chunks, and the top";
}

TEST(FastBins, AreNoneInAnArenaThatHasItsTopWhereAFlagWas) {
  Image image(kStart, 16 * kPage);
  FillBin(image, kStart, kStart + kPage, 100);
  image.Word(kStart + 8, kStart + 8 * kPage);
  FastBins bins(image);
  bins.Add(kStart);
  EXPECT_EQ(Count(bins), 0u);
}

TEST(FastBins, ListsThatGoRoundOrNowhereComeToAnEnd) {
  std::mt19937_64 random(3);
  Image image(kStart, 16 * kPage);
  for (int round = 0; round < 100; round++) {
    FillBin(image, kStart, kStart + kPage, 100);
    const uint64_t chunk = kStart + kPage + random() % 100 * 0x40;
    const uint64_t wild = round == 0 ? Hidden(chunk, kStart + kPage + 99 * 0x40) : random();
    image.Word(chunk + 16, wild);
    FastBins bins(image);
    bins.Add(kStart);
    EXPECT_LE(Count(bins), size_t{1} << 20);
    for (const uint64_t* at = bins.From(0); at != bins.end(); at++) {
      EXPECT_GE(*at, kStart + kPage);
      EXPECT_LT(*at, kStart + kPage + 100 * 0x40);
    }
  }
}

}  // namespace
}  // namespace tidemark
