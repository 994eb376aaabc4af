// Any bytes as an arena with its bins, as a heap, as an arena's heap and as an anonymous mapping. A walk must end, read
// resident pages only, and count each resident byte once.
//
// Bytes alone hardly ever make a chain, so a word's lowest bits say whether it is a small size, a size of pages, or
// what it is.

#include <cstdint>
#include <cstdlib>

#include "ledger/glibc_heap.h"
#include "ledger/test_image.h"

using namespace tidemark;

static constexpr uint64_t kPages = 24;
static constexpr uint64_t kBytes = kPages * kImagePage;

static void Lay(Image& image, const uint8_t* data, size_t size) {
  for (uint64_t at = 0, i = 0; at < kBytes; at += 8, i = (i + 8) % size) {
    uint64_t word = 0;
    std::memcpy(&word, data + i, size - i < 8 ? size - i : 8);
    switch (word & 3) {
      case 0:
        word = (word >> 2 & 0x1ff0) | (word >> 20 & 7);
        break;
      case 1:
        word = (word >> 2) % kPages * kImagePage | 2;
        break;
      case 2:
        word = 0x20 | (word >> 20 & 1);
        break;
      default:
        break;
    }
    image.Word(image.start() + at, word);
  }
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (PageSize() != kImagePage || size < 8) return 0;
  Image image(kArenaHeapBytes, kBytes);
  Lay(image, data + 4, size - 4);
  uint64_t resident = kBytes;
  for (uint64_t page = 0; page < kPages; page++) {
    if ((data[page / 8 % 4] >> page % 8 & 1) == 0) continue;
    image.TakeOut(image.start() + page * kImagePage, image.start() + (page + 1) * kImagePage);
    resident -= kImagePage;
  }
  ResidentPages pages;
  image.MarkIn(pages);
  WordReader words(image, pages);

  FastBins fast(image);
  fast.Add(image.start());
  fast.AddMainArena(image.start(), image.end(), image.start(), image.end());
  fast.Seal();
  Patience patience;
  HeapSums heap;
  WalkHeap(words, pages, fast, image.start(), image.end(), patience, heap);
  if (heap.live + heap.free + heap.lost > resident || heap.trimmable + heap.trimmable_top > heap.free) abort();
  ArenaHeap arena;
  if (ReadArenaHeap(words, image.start(), image.end(), patience, arena) &&
      (arena.first <= image.start() || arena.end > image.end() || arena.first > arena.end)) {
    abort();
  }
  AnonymousSums mapping;
  WalkAnonymous(image, words, pages, fast, image.start(), image.end(), patience, mapping);
  const HeapSums& heaps = mapping.heaps;
  if (mapping.blocks_resident + heaps.live + heaps.free + heaps.lost + mapping.other != resident) abort();
  if (image.touched_absent) abort();
  return 0;
}
