#include "sampling/trace_table.h"

#include <time.h>

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>

#include "sampling/poisson.h"

namespace tidemark {
namespace {

// Takes `count` of what `used` counts towards `capacity`; false, and nothing is taken, when there are fewer.
bool Take(std::atomic<uint32_t>& used, uint32_t count, uint32_t capacity, uint32_t& first) noexcept {
  first = used.load(std::memory_order_relaxed);
  do {
    if (count > capacity - first) return false;
  } while (!used.compare_exchange_weak(first, first + count, std::memory_order_relaxed));
  return true;
}

uint64_t NowMs() noexcept {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000 + static_cast<uint64_t>(now.tv_nsec) / 1'000'000;
}

}  // namespace

bool TraceTable::Start(size_t traces, size_t pc_words) noexcept {
  if (trace_capacity_ != 0) return true;
  if (traces == 0 || traces > kMaxTraces || pc_words > kMaxPcWords) return false;
  int part_bits = 4;  // twice the entries that the mean part needs, so that no part fills up before the buffer does
  while ((size_t{1} << (part_bits + kLockBits)) < 2 * traces) part_bits++;
  const size_t entries = size_t{1} << (part_bits + kLockBits);
  const size_t bytes = traces * sizeof(Trace) + pc_words * sizeof(uint64_t) + entries * sizeof(uint32_t);
  auto* memory = static_cast<char*>(memory_.Map(2 * bytes));
  if (memory == nullptr) return false;
  for (Buffer& buffer : buffers_) {
    buffer.traces = reinterpret_cast<Trace*>(memory);
    buffer.words = reinterpret_cast<uint64_t*>(buffer.traces + traces);
    buffer.index = reinterpret_cast<uint32_t*>(buffer.words + pc_words);
    memory += bytes;
  }
  part_bits_ = part_bits;
  word_capacity_ = static_cast<uint32_t>(pc_words);
  trace_capacity_ = static_cast<uint32_t>(traces);
  return true;
}

TraceTable::Ticket TraceTable::Begin() noexcept {
  for (;;) {
    const uint32_t number = current_.load(std::memory_order_relaxed);
    // Counted first, looked at again second, as Flip() turns first and reads the count second, all in one total order:
    // if it missed this ticket, this thread sees the turn.
    buffers_[number].tickets.fetch_add(1, std::memory_order_seq_cst);
    if (current_.load(std::memory_order_seq_cst) == number) return {number};
    buffers_[number].tickets.fetch_sub(1, std::memory_order_release);
  }
}

void TraceTable::End(Ticket ticket) noexcept {
  buffers_[ticket.buffer].tickets.fetch_sub(1, std::memory_order_release);
}

uint64_t TraceTable::HashOf(const TraceKey& key) noexcept {
  constexpr uint64_t kFactor = 0x9E3779B97F4A7C15;
  // Two lanes: each step waits for the multiplication before it.
  uint64_t a = uint64_t{key.region} << 32 | key.thread;
  uint64_t b = uint64_t{key.flags} << 16 | key.frames;
  size_t i = 0;
  for (; i + 1 < key.frames; i += 2) {
    a = (std::rotl(a, 23) ^ key.pcs[i]) * kFactor;
    b = (std::rotl(b, 23) ^ key.pcs[i + 1]) * kFactor;
  }
  if (i < key.frames) a = (std::rotl(a, 23) ^ key.pcs[i]) * kFactor;
  uint64_t mixed = a ^ std::rotl(b * kFactor, 32);
  return NextRandom(mixed);
}

uint32_t TraceTable::Intern(Buffer& buffer, const TraceKey& key, uint64_t hash) noexcept {
  // The top bits of the hash are the part, the next ones the entry in it.
  uint32_t* part = buffer.index + ((hash >> (64 - kLockBits)) << part_bits_);
  const uint32_t mask = (1u << part_bits_) - 1;
  const uint32_t home = static_cast<uint32_t>(hash >> (64 - kLockBits - part_bits_));
  for (uint32_t probe = 0; probe <= mask; probe++) {
    uint32_t& entry = part[(home + probe) & mask];
    if (entry == 0) {
      uint32_t number = 0;
      uint32_t first_word = 0;
      // Words first: what one Take() got before the other failed is lost until the drain, and a lost trace would be
      // drained with whatever it holds.
      if (!Take(buffer.words_used, key.frames, word_capacity_, first_word)) return kNone;
      if (!Take(buffer.traces_used, 1, trace_capacity_, number)) return kNone;
      if (key.frames != 0) std::memcpy(buffer.words + first_word, key.pcs, key.frames * sizeof(uint64_t));
      buffer.traces[number] = {hash, first_word, key.region, key.thread, key.frames, key.flags, {}};
      entry = number + 1;
      return number;
    }
    const Trace& trace = buffer.traces[entry - 1];
    if (trace.hash == hash && trace.region == key.region && trace.thread == key.thread && trace.frames == key.frames &&
        trace.flags == key.flags && std::equal(key.pcs, key.pcs + key.frames, buffer.words + trace.first_word)) {
      return entry - 1;
    }
  }
  return kNone;
}

uint32_t TraceTable::Add(Ticket ticket, const TraceKey& key, uint64_t size, uint64_t interval) noexcept {
  const uint64_t hash = HashOf(key);
  const double p = SampleProbability(size, interval);
  const double bytes = static_cast<double>(size);
  const double count_variance = (1 - p) / (p * p);
  Part& part = parts_[hash >> (64 - kLockBits)];
  if (trace_capacity_ == 0) {
    part.dropped_full.fetch_add(1, std::memory_order_relaxed);
    return kNone;
  }
  if (!part.lock.TryLock()) {
    part.dropped_busy.fetch_add(1, std::memory_order_relaxed);
    return kNone;
  }
  Buffer& buffer = buffers_[ticket.buffer];
  const uint32_t number = Intern(buffer, key, hash);
  if (number != kNone) {
    TraceSums& sums = buffer.traces[number].sums;
    sums.count += 1 / p;
    sums.bytes += bytes / p;
    sums.count_variance += count_variance;
    sums.bytes_variance += count_variance * bytes * bytes;
    sums.samples++;
  }
  part.lock.Unlock();
  (number != kNone ? part.added : part.dropped_full).fetch_add(1, std::memory_order_relaxed);
  return number == kNone ? kNone : kRaw | (ticket.buffer * kBufferBit) | number;
}

bool TraceTable::NearlyFull() const noexcept {
  const Buffer& buffer = buffers_[current_.load(std::memory_order_relaxed)];
  return buffer.traces_used.load(std::memory_order_relaxed) > trace_capacity_ / 4 * 3 ||
         buffer.words_used.load(std::memory_order_relaxed) > word_capacity_ / 4 * 3;
}

bool TraceTable::Flip(uint32_t patience_ms) noexcept {
  assert(drain_ != Drain::kReady);
  uint32_t current = current_.load(std::memory_order_relaxed);
  if (drain_ == Drain::kEmpty) {
    drain_ = Drain::kWaiting;
    current = 1 - current;
    current_.store(current, std::memory_order_seq_cst);
  }
  const uint64_t end = NowMs() + patience_ms;
  while (buffers_[1 - current].tickets.load(std::memory_order_seq_cst) != 0) {
    if (NowMs() >= end) return false;
    const timespec moment = {0, 100'000};
    nanosleep(&moment, nullptr);
  }
  drain_ = Drain::kReady;
  return true;
}

void TraceTable::Empty(Buffer& buffer) noexcept {
  buffer.traces_used.store(0, std::memory_order_relaxed);
  buffer.words_used.store(0, std::memory_order_relaxed);
}

void TraceTable::ClearDrained() noexcept {
  if (drain_ != Drain::kReady) return;
  Buffer& buffer = buffers_[1 - current_.load(std::memory_order_relaxed)];
  if (buffer.index != nullptr) std::memset(buffer.index, 0, sizeof(uint32_t) << (part_bits_ + kLockBits));
  Empty(buffer);
  drain_ = Drain::kEmpty;
}

TraceTable::Counters TraceTable::GetCounters() const noexcept {
  Counters sum = {};
  for (const Part& part : parts_) {
    sum.added += part.added.load(std::memory_order_relaxed);
    sum.dropped_full += part.dropped_full.load(std::memory_order_relaxed);
    sum.dropped_busy += part.dropped_busy.load(std::memory_order_relaxed);
  }
  return sum;
}

void TraceTable::AfterForkInChild() noexcept {
  memory_.ZeroAfterFork();
  for (Buffer& buffer : buffers_) {
    Empty(buffer);
    buffer.tickets.store(0, std::memory_order_relaxed);
  }
  for (Part& part : parts_) {
    part.lock.Reset();
    part.added.store(0, std::memory_order_relaxed);
    part.dropped_full.store(0, std::memory_order_relaxed);
    part.dropped_busy.store(0, std::memory_order_relaxed);
  }
  current_.store(0, std::memory_order_relaxed);
  drain_ = Drain::kEmpty;
}

}  // namespace tidemark
