// The raw stacks seen since the last drain, each once, with the sums of what they allocated.
//
// A hook knows addresses; what they are called is found outside hooks, and promptly, because JIT code moves. So there
// are two buffers: hooks fill one while the collector names what is in the other. A sample's stack must not be drained
// between Add() and the sample's arrival in the live set, where the collector looks for the raw id to put the final
// one in its place: a ticket keeps its buffer open for that long.
//
// Never gives memory back, like the live set: hooks may be inside until the very end of the process.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "base/spin_lock.h"
#include "sampling/lasting_memory.h"

namespace tidemark {

// What tells one trace from another.
struct TraceKey {
  const uint64_t* pcs;
  uint16_t frames;
  uint16_t flags;
  uint32_t region;
  uint32_t thread;
};

// Estimates of what was allocated, and the number of samples behind them.
struct TraceSums {
  double count;
  double bytes;
  double count_variance;
  double bytes_variance;
  uint64_t samples;
};

class TraceTable {
 public:
  static constexpr size_t kDefaultTraces = 8192;
  static constexpr size_t kDefaultPcWords = size_t{256} << 10;
  static constexpr uint32_t kNone = UINT32_MAX;
  // Set in every raw id, so that in a sample it is told from a final one.
  static constexpr uint32_t kRaw = 1u << 31;

  // Memory for so many traces and addresses in each of two buffers, once: later calls change nothing. False, and every
  // Add() is dropped, when the kernel refuses it.
  bool Start(size_t traces = kDefaultTraces, size_t pc_words = kDefaultPcWords) noexcept;

  // Inside malloc: Begin, Add, put the sample into the live set, End. Between them nothing may be waited for.
  struct Ticket {
    uint32_t buffer;
  };
  Ticket Begin() noexcept;
  // The raw id of the trace, kNone when there is no room or a lock was held too long by others.
  uint32_t Add(Ticket ticket, const TraceKey& key, uint64_t size, uint64_t interval) noexcept;
  void End(Ticket ticket) noexcept;

  // Three quarters of the current buffer are used: time to drain.
  bool NearlyFull() const noexcept;

  // The collector, one thread at a time, outside hooks. Flip() turns hooks to the other buffer and waits up to
  // `patience_ms` for the last ticket of the old one. False: a thread is still inside one (it may be stopped); nothing
  // may be read yet, and the next Flip() goes on waiting.
  bool Flip(uint32_t patience_ms) noexcept;
  // After a Flip() that was true: `visit(uint32_t raw_id, const TraceKey&, const TraceSums&)`, in the order in which
  // the traces came.
  template <class Visit>
  void ForEachDrained(Visit&& visit) const noexcept;
  // Whether a raw id is of what such a Flip() gave: what has that id and was not visited has lost its stack.
  bool IsDrained(uint32_t raw_id) const noexcept {
    return drain_ == Drain::kReady && (raw_id & kRaw) != 0 &&
           (raw_id & kBufferBit) / kBufferBit == 1 - current_.load(std::memory_order_relaxed);
  }
  // Empties what was drained; from the next Flip() on its raw ids are used again.
  void ClearDrained() noexcept;

  struct Counters {
    uint64_t added;
    uint64_t dropped_full;
    uint64_t dropped_busy;
  };
  Counters GetCounters() const noexcept;

  // Everything cleared, unlocked and without tickets: the threads that held them are not in the child.
  void AfterForkInChild() noexcept;

 private:
  static constexpr uint32_t kBufferBit = 1u << 30;
  static constexpr uint32_t kMaxTraces = 1u << 24;
  static constexpr uint32_t kMaxPcWords = 1u << 30;
  static constexpr int kLockBits = 4;

  struct Trace {
    uint64_t hash;
    uint32_t first_word;
    uint32_t region;
    uint32_t thread;
    uint16_t frames;
    uint16_t flags;
    TraceSums sums;
  };
  static_assert(sizeof(Trace) == 64);

  // Traces and the words of their stacks lie in the order in which they came, so draining reads what is used only. The
  // index is open addressing over their numbers + 1, in as many parts as there are locks: a trace is found, added and
  // summed under the lock of its part.
  struct alignas(64) Buffer {
    std::atomic<uint32_t> tickets;
    std::atomic<uint32_t> traces_used;
    std::atomic<uint32_t> words_used;
    Trace* traces;
    uint64_t* words;
    uint32_t* index;
  };
  struct alignas(64) Part {
    SpinLock lock;
    std::atomic<uint64_t> added, dropped_full, dropped_busy;
  };

  static uint64_t HashOf(const TraceKey& key) noexcept;
  // With its part of the index locked: the number of the trace, which is added if it was not there; kNone: no room.
  uint32_t Intern(Buffer& buffer, const TraceKey& key, uint64_t hash) noexcept;
  static void Empty(Buffer& buffer) noexcept;

  uint32_t trace_capacity_ = 0;
  uint32_t word_capacity_ = 0;
  int part_bits_ = 0;                                                              // index entries of a part
  enum class Drain : uint8_t { kEmpty, kWaiting, kReady } drain_ = Drain::kEmpty;  // of the buffer that is not current
  std::atomic<uint32_t> current_{0};
  Buffer buffers_[2] = {};
  Part parts_[1 << kLockBits] = {};
  LastingMemory memory_;
};
static_assert(std::is_trivially_destructible_v<TraceTable>);

template <class Visit>
void TraceTable::ForEachDrained(Visit&& visit) const noexcept {
  if (drain_ != Drain::kReady) return;
  const uint32_t number = 1 - current_.load(std::memory_order_relaxed);
  const Buffer& buffer = buffers_[number];
  const uint32_t used = buffer.traces_used.load(std::memory_order_relaxed);
  for (uint32_t i = 0; i < used; i++) {
    const Trace& trace = buffer.traces[i];
    const TraceKey key = {buffer.words + trace.first_word, trace.frames, trace.flags, trace.region, trace.thread};
    visit(kRaw | (number * kBufferBit) | i, key, trace.sums);
  }
}

}  // namespace tidemark
