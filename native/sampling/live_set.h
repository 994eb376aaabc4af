// The sampled blocks that have not been freed.
//
// Every free() asks whether its block is one of them, and nearly always it is not: so a filter is asked first, one
// byte by a hash of the address, which counts the samples that fall on it. It is exact when it says no. Only then is a
// shard locked and looked in.
//
// Blocks of the same 8 KiB fall on one cache line of the filter, on whichever of its 64 bytes: so a busy heap finds its
// part of the filter in the first-level cache, where a hash of the whole address would spread it over everything.
// Measured with malloc and free on a ring of 1,000 blocks (17 ns a pair) beside 1,000 samples: 1.2 ns more, and 2.6 ns
// when spread. Beside a full set of 32,768 samples 11 % of the frees go on to a shard, with 2^17 bytes 22 %; with few
// samples the larger filter costs nothing.
//
// A byte belongs to one shard, and all that changes in it changes under that shard's lock: so the bytes need no atomic
// read-modify-write, and a byte never falls to zero under a neighbour's sample. free() reads them without the lock, and
// still never misses a sample: malloc counted it before it returned the block, whoever frees the block has it from
// there, and from then on the byte is at least 1 until that very free() takes the sample out.
//
// The filter is static, so that MightHold needs no pointer and works before Start(): of several sets in a process only
// one may hold samples. Memory is never given back: frees come after every destructor has run.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "base/spin_lock.h"
#include "sampling/lasting_memory.h"

namespace tidemark {

// One sampled allocation that was not freed yet; two to a cache line.
struct LiveSample {
  uint64_t address;   // as malloc returned it, never 0
  uint64_t size;      // bytes asked for
  uint32_t trace;     // whose stack, region and thread; see trace_table.h
  uint32_t interval;  // the sampling interval that its weight follows
  uint32_t time_ds;   // deciseconds since the session started
  uint32_t id;        // the caller's; tells it from another sample at the same address
};
static_assert(sizeof(LiveSample) == 32);

class LiveSet {
 public:
  static constexpr uint32_t kDefaultCapacity = 32768;

  // Whether Remove() and Peek() can find something: the whole price of freeing a block that is no sample.
  static bool MightHold(const void* address) noexcept {
    return filter_[FilterIndex(reinterpret_cast<uint64_t>(address))].load(std::memory_order_relaxed) != 0;
  }

  // Memory for `capacity` samples, once: later calls change nothing. False, and there is no set, when the kernel
  // refuses it.
  bool Start(uint32_t capacity = kDefaultCapacity) noexcept;

  enum class Insertion : uint8_t {
    kInserted,
    kReplaced,  // a sample was at this address: its free went unseen, and it is gone
    kFull,
    kBusy,  // the shard was held too long by others
  };
  // Inside malloc. Gives up rather than wait long.
  Insertion Insert(const LiveSample& sample) noexcept;

  // Inside free: takes out the sample at `address`. Waits for the shard, because a sample that is left behind is a
  // block that looks leaked.
  bool Remove(uint64_t address, LiveSample& removed) noexcept;

  // Inside realloc: looks, and once the block has moved takes out the very sample that was seen. Between the two the
  // address may have become another thread's block, and that one's sample stays.
  bool Peek(uint64_t address, LiveSample& found) noexcept;
  bool RemoveIf(uint64_t address, uint32_t id) noexcept;

  // Outside hooks. Calls `visit(LiveSample&)` with one shard locked at a time; it may change `trace` and `interval`
  // only, must be quick (a malloc whose sample falls into this shard gives up meanwhile), and must neither free nor
  // allocate. What comes or goes meanwhile in other shards may be seen or not.
  template <class Visit>
  void ForEach(Visit&& visit) noexcept;

  // Makes the set what it would be had `new_interval` been in force all along: each sample of a smaller interval stays
  // with the probability p_new/p_old, and its weight is then of the new one. Outside hooks.
  void Thin(uint32_t new_interval, uint64_t& rng) noexcept;

  void Clear() noexcept;
  uint32_t Size() const noexcept { return size_.load(std::memory_order_relaxed); }
  uint32_t Capacity() const noexcept { return capacity_; }  // 0 before Start()

  struct Counters {
    uint64_t inserted;
    uint64_t removed;
    uint64_t replaced;
    uint64_t dropped_full;
    uint64_t dropped_busy;
    uint64_t unmatched;  // the filter said maybe and the table said no
    uint64_t thinned;
  };
  Counters GetCounters() const noexcept;

  // Everything cleared and unlocked, the counters too: the threads that held a lock are not in the child.
  void AfterForkInChild() noexcept;

 private:
  static constexpr int kFilterBits = 18;
  static constexpr int kRegionBits = 13;
  static constexpr uint32_t kShards = 256;
  static constexpr uint8_t kStuck = 255;  // so many or more, it is not known how many: stays until the set is cleared

  struct alignas(64) Shard {
    SpinLock lock;
    uint32_t used;
    std::atomic<uint64_t> inserted, removed, replaced, dropped_full, dropped_busy, unmatched, thinned;
  };
  static_assert(sizeof(Shard) == 64);

  // 2^64 times the golden ratio's fraction; the top bits of a product with it are evenly spread.
  static constexpr uint64_t kFactor = 0x9E3779B97F4A7C15;

  static size_t FilterIndex(uint64_t address) noexcept {
    return ((address >> kRegionBits) * kFactor >> (64 - kFilterBits)) ^ ((address >> 4) & 63);
  }
  static uint32_t ShardIndex(uint64_t address) noexcept {
    return static_cast<uint32_t>(FilterIndex(address) % kShards);
  }
  uint32_t HomeSlot(uint64_t address) const noexcept {
    return static_cast<uint32_t>((address >> 4) * kFactor >> (64 - slot_bits_));
  }
  uint32_t SlotMask() const noexcept { return (1u << slot_bits_) - 1; }
  LiveSample* SlotsOf(uint32_t shard) const noexcept { return slots_ + (size_t{shard} << slot_bits_); }

  bool TakeRoom() noexcept;  // for one more sample, if the set is not full
  // With the shard locked. The slot that holds `address`, or else the empty one where it would go.
  uint32_t Find(const LiveSample* slots, uint64_t address) const noexcept;
  // The slot's sample goes; those behind it move up.
  void Erase(uint32_t shard, uint32_t slot) noexcept;
  // What Remove, RemoveIf and Peek have in common: `take(sample)` says whether a sample that is there goes.
  template <class Take>
  void Look(uint64_t address, Take&& take) noexcept;

  alignas(64) inline static std::atomic<uint8_t> filter_[size_t{1} << kFilterBits];
  std::atomic<Shard*> shards_{nullptr};  // set last, so that whoever sees it sees the rest
  LiveSample* slots_ = nullptr;
  int slot_bits_ = 0;
  uint32_t shard_limit_ = 0;
  uint32_t capacity_ = 0;
  std::atomic<uint32_t> size_{0};
  LastingMemory memory_;
};
static_assert(std::is_trivially_destructible_v<LiveSet>);

template <class Visit>
void LiveSet::ForEach(Visit&& visit) noexcept {
  Shard* shards = shards_.load(std::memory_order_acquire);
  if (shards == nullptr) return;
  for (uint32_t i = 0; i < kShards; i++) {
    shards[i].lock.Lock();
    LiveSample* slots = SlotsOf(i);
    for (uint32_t slot = 0; slot <= SlotMask(); slot++) {
      if (slots[slot].address != 0) visit(slots[slot]);
    }
    shards[i].lock.Unlock();
  }
}

}  // namespace tidemark
