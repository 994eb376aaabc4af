#include "sampling/live_set.h"

#include <cassert>
#include <cstring>

#include "sampling/poisson.h"

namespace tidemark {
namespace {

void Bump(std::atomic<uint64_t>& counter) noexcept { counter.fetch_add(1, std::memory_order_relaxed); }

// Only ever changed under the shard's lock, so a load and a store will do.
void CountUp(std::atomic<uint8_t>& byte, uint8_t stuck) noexcept {
  const uint8_t n = byte.load(std::memory_order_relaxed);
  if (n != stuck) byte.store(static_cast<uint8_t>(n + 1), std::memory_order_relaxed);
}

void CountDown(std::atomic<uint8_t>& byte, uint8_t stuck) noexcept {
  const uint8_t n = byte.load(std::memory_order_relaxed);
  assert(n > 0);
  if (n != stuck) byte.store(static_cast<uint8_t>(n - 1), std::memory_order_relaxed);
}

// Without writing to pages of the filter that no sample has touched.
void Zero(std::atomic<uint8_t>& byte) noexcept {
  if (byte.load(std::memory_order_relaxed) != 0) byte.store(0, std::memory_order_relaxed);
}

}  // namespace

bool LiveSet::Start(uint32_t capacity) noexcept {
  if (shards_.load(std::memory_order_acquire) != nullptr) return true;
  // Twice the slots that the mean shard needs: a full set is spread unevenly, yet no shard fills up before the set
  // does (of 256 slots 128 are used, give or take 11), and what is not there is found out within a few slots.
  int slot_bits = 4;
  while ((uint64_t{kShards} << slot_bits) < uint64_t{2} * capacity) slot_bits++;
  const size_t slots = size_t{kShards} << slot_bits;
  auto* shards = static_cast<Shard*>(memory_.Map(kShards * sizeof(Shard) + slots * sizeof(LiveSample)));
  if (shards == nullptr) return false;
  slots_ = reinterpret_cast<LiveSample*>(shards + kShards);
  slot_bits_ = slot_bits;
  shard_limit_ = (1u << slot_bits) / 8 * 7;  // an empty slot ends every search
  capacity_ = capacity;
  shards_.store(shards, std::memory_order_release);
  return true;
}

uint32_t LiveSet::Find(const LiveSample* slots, uint64_t address) const noexcept {
  uint32_t slot = HomeSlot(address);
  while (slots[slot].address != address && slots[slot].address != 0) slot = (slot + 1) & SlotMask();
  return slot;
}

void LiveSet::Erase(uint32_t shard, uint32_t slot) noexcept {
  LiveSample* slots = SlotsOf(shard);
  CountDown(filter_[FilterIndex(slots[slot].address)], kStuck);
  uint32_t hole = slot;
  for (uint32_t next = (hole + 1) & SlotMask(); slots[next].address != 0; next = (next + 1) & SlotMask()) {
    const uint32_t home = HomeSlot(slots[next].address);
    if (((next - home) & SlotMask()) < ((next - hole) & SlotMask())) continue;  // the hole is ahead of its home
    slots[hole] = slots[next];
    hole = next;
  }
  slots[hole].address = 0;
  shards_.load(std::memory_order_relaxed)[shard].used--;
  size_.fetch_sub(1, std::memory_order_relaxed);
}

LiveSet::Insertion LiveSet::Insert(const LiveSample& sample) noexcept {
  assert(sample.address != 0);
  Shard* shards = shards_.load(std::memory_order_acquire);
  if (shards == nullptr) return Insertion::kFull;
  const uint32_t index = ShardIndex(sample.address);
  Shard& shard = shards[index];
  if (!shard.lock.TryLock()) {
    Bump(shard.dropped_busy);
    return Insertion::kBusy;
  }
  LiveSample* slots = SlotsOf(index);
  LiveSample& slot = slots[Find(slots, sample.address)];
  Insertion insertion = Insertion::kInserted;
  if (slot.address != 0) {
    slot = sample;
    insertion = Insertion::kReplaced;
    Bump(shard.replaced);
  } else if (shard.used < shard_limit_ && TakeRoom()) {
    CountUp(filter_[FilterIndex(sample.address)], kStuck);
    slot = sample;
    shard.used++;
    Bump(shard.inserted);
  } else {
    insertion = Insertion::kFull;
    Bump(shard.dropped_full);
  }
  shard.lock.Unlock();
  return insertion;
}

bool LiveSet::TakeRoom() noexcept {
  if (size_.fetch_add(1, std::memory_order_relaxed) < capacity_) return true;
  size_.fetch_sub(1, std::memory_order_relaxed);
  return false;
}

template <class Take>
void LiveSet::Look(uint64_t address, Take&& take) noexcept {
  Shard* shards = shards_.load(std::memory_order_acquire);
  if (shards == nullptr) return;
  const uint32_t index = ShardIndex(address);
  Shard& shard = shards[index];
  shard.lock.Lock();
  const LiveSample* slots = SlotsOf(index);
  const uint32_t slot = Find(slots, address);
  if (slots[slot].address == 0) {  // also for free(nullptr), when a sample falls on its byte
    Bump(shard.unmatched);
  } else if (take(slots[slot])) {
    Erase(index, slot);
    Bump(shard.removed);
  }
  shard.lock.Unlock();
}

bool LiveSet::Remove(uint64_t address, LiveSample& removed) noexcept {
  bool found = false;
  Look(address, [&](const LiveSample& sample) {
    removed = sample;
    return found = true;
  });
  return found;
}

bool LiveSet::Peek(uint64_t address, LiveSample& found) noexcept {
  bool there = false;
  Look(address, [&](const LiveSample& sample) {
    found = sample;
    there = true;
    return false;
  });
  return there;
}

bool LiveSet::RemoveIf(uint64_t address, uint32_t id) noexcept {
  bool same = false;
  Look(address, [&](const LiveSample& sample) { return same = sample.id == id; });
  return same;
}

void LiveSet::Thin(uint32_t new_interval, uint64_t& rng) noexcept {
  Shard* shards = shards_.load(std::memory_order_acquire);
  if (shards == nullptr) return;
  for (uint32_t i = 0; i < kShards; i++) {
    shards[i].lock.Lock();
    LiveSample* slots = SlotsOf(i);
    for (uint32_t slot = 0; slot <= SlotMask();) {
      LiveSample& sample = slots[slot];
      // Erase() moves samples up, and around the end some that were decided on already: those have the new interval.
      if (sample.address == 0 || sample.interval >= new_interval) {
        slot++;
        continue;
      }
      const double before = SampleProbability(sample.size, sample.interval);
      if (NextUniform(rng) * before < SampleProbability(sample.size, new_interval)) {
        sample.interval = new_interval;
        slot++;
      } else {
        Erase(i, slot);
        Bump(shards[i].thinned);
      }
    }
    shards[i].lock.Unlock();
  }
}

void LiveSet::Clear() noexcept {
  Shard* shards = shards_.load(std::memory_order_acquire);
  if (shards == nullptr) return;
  for (uint32_t i = 0; i < kShards; i++) {
    shards[i].lock.Lock();
    if (shards[i].used != 0) std::memset(SlotsOf(i), 0, sizeof(LiveSample) << slot_bits_);
    for (size_t byte = i; byte < sizeof(filter_); byte += kShards) Zero(filter_[byte]);
    size_.fetch_sub(shards[i].used, std::memory_order_relaxed);
    shards[i].used = 0;
    shards[i].lock.Unlock();
  }
}

LiveSet::Counters LiveSet::GetCounters() const noexcept {
  Counters sum = {};
  const Shard* shards = shards_.load(std::memory_order_acquire);
  if (shards == nullptr) return sum;
  for (uint32_t i = 0; i < kShards; i++) {
    sum.inserted += shards[i].inserted.load(std::memory_order_relaxed);
    sum.removed += shards[i].removed.load(std::memory_order_relaxed);
    sum.replaced += shards[i].replaced.load(std::memory_order_relaxed);
    sum.dropped_full += shards[i].dropped_full.load(std::memory_order_relaxed);
    sum.dropped_busy += shards[i].dropped_busy.load(std::memory_order_relaxed);
    sum.unmatched += shards[i].unmatched.load(std::memory_order_relaxed);
    sum.thinned += shards[i].thinned.load(std::memory_order_relaxed);
  }
  return sum;
}

void LiveSet::AfterForkInChild() noexcept {
  memory_.ZeroAfterFork();  // slots, locks and counters
  for (std::atomic<uint8_t>& byte : filter_) Zero(byte);
  size_.store(0, std::memory_order_relaxed);
}

}  // namespace tidemark
