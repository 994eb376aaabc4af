// Tells live memory from free in glibc's heaps by the headers of their chunks, while the program goes on.
//
// Every chunk begins with its size, and its neighbour's header says whether it is in use; so a heap is a chain that can
// be followed from its first chunk to the end, without a lock and without a word from the allocator. Its own counters
// are no substitute: what mallinfo2 calls free counts pages that were given back long ago (a factor of 12 was
// measured), and it holds each arena's lock for as long as it takes to visit every free chunk.
//
// A chain that is walked while threads allocate can break: the walk then goes back some blocks and tries anew; where
// that does not help it looks for a chain further on, and what lies between is `lost`.
//
// Counted as live although it is free: what threads cache of their own frees (tcache, at most 236 KiB a thread).
// Source: glibc malloc/malloc.c ("Chunk Representation", sysmalloc, mtrim), malloc/arena.c (heap_info).
#pragma once

#include <algorithm>
#include <cstdint>

#include "ledger/fast_bins.h"
#include "ledger/word_reader.h"

namespace tidemark {

constexpr uint64_t kArenaHeapBytes = uint64_t{64}
                                     << 20;    // HEAP_MAX_SIZE: heaps of thread arenas lie at multiples of it
constexpr uint64_t kArenaHeapSizeOffset = 16;  // where a heap says how much of it is in use (arena.c, heap_info)

struct HeapSums {
  uint64_t chunks = 0;
  uint64_t free_chunks = 0;
  // Resident bytes.
  uint64_t live = 0;
  uint64_t free = 0;
  uint64_t top = 0;            // of `free`: the last chunk, from which the heap grows
  uint64_t trimmable = 0;      // of `free`: whole pages inside free chunks other than the top
  uint64_t trimmable_top = 0;  // of `top`: whole pages
  uint64_t lost = 0;           // where no chain was found
  // Whether or not they are resident.
  uint64_t live_virtual = 0;
  uint64_t free_virtual = 0;

  void Add(const HeapSums& other) noexcept;
};

// How much more is looked for chains, of one process: what was overwritten, or is another's memory, has none. In words
// read, as WordReader counts them: some 40 ms in all.
struct Patience {
  uint64_t left = uint64_t{1} << 23;

  void Spend(uint64_t cost) noexcept { left -= std::min(left, cost); }
};

// Adds up the chunks from `first` to `end`, all of which `pages` covers.
void WalkHeap(WordReader& words, const ResidentPages& pages, const FastBins& fast, uint64_t first, uint64_t end,
              Patience& patience, HeapSums& sums) noexcept;

struct ArenaHeap {
  uint64_t arena;  // whose heap it is
  uint64_t first;  // chunk
  uint64_t end;    // of what the arena uses of it
};

// The heap of a thread's arena at `start`, a multiple of kArenaHeapBytes, in a mapping that ends at `limit`. False:
// there is none.
bool ReadArenaHeap(WordReader& words, uint64_t start, uint64_t limit, Patience& patience, ArenaHeap& heap) noexcept;

// What lies in an anonymous mapping: blocks that malloc mapped one by one, merged with each other and with what native
// code mapped for itself, each recognised by its header; and heaps, where the brk heap could not grow and the main
// arena took mappings instead.
struct AnonymousSums {
  uint64_t blocks = 0;
  uint64_t blocks_virtual = 0;
  uint64_t blocks_resident = 0;
  HeapSums heaps;
  uint64_t other = 0;  // resident bytes that malloc knows nothing of

  void Add(const AnonymousSums& sums) noexcept;
};

void WalkAnonymous(PageSource& source, WordReader& words, const ResidentPages& pages, const FastBins& fast,
                   uint64_t start, uint64_t end, Patience& patience, AnonymousSums& sums) noexcept;

}  // namespace tidemark
