// Decides which allocations are recorded, and what one that is stands for.
//
// The bytes that a thread allocates are marked by a Poisson process with a mean gap of `interval` bytes; an allocation
// is a sample when it covers a mark, so p = P(sampled) = 1 - e^(-size/interval). The gap to the next mark is drawn once
// and counted down, which keeps the common path at one comparison and one subtraction. After a sample the next gap
// starts at its end: the process has no memory, so that is the same process.
//
// A sample stands for 1/p allocations of its size, and adds (1-p)/p^2 to the variance of that estimate; both hold for
// one allocation at a time, so samples are weighted before they are summed, never after.
// Source: tcmalloc docs/sampling.md; jemalloc PROFILING_INTERNALS.md. The estimator is Horvitz and Thompson's.
#pragma once

#include <cstdint>
#include <type_traits>

namespace tidemark {

// The next number of a thread's generator (splitmix64: every state is a good one, also 0).
inline uint64_t NextRandom(uint64_t& rng) noexcept {
  uint64_t x = rng += 0x9E3779B97F4A7C15;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

// In [0, 1), of 53 bits.
inline double NextUniform(uint64_t& rng) noexcept { return static_cast<double>(NextRandom(rng) >> 11) * 0x1p-53; }

// A state for NextRandom that differs between the threads of a session and between the sessions of a thread.
uint64_t SeedFor(uint64_t thread, uint64_t session) noexcept;

// Bytes up to and including the next mark, at least 1; P(gap <= n) = 1 - e^(-n/interval). 1 when `interval` <= 1:
// every allocation is then a sample.
uint64_t NextGap(uint64_t& rng, uint64_t interval) noexcept;

// The probability that an allocation of `size` bytes is a sample. Size 0 counts as 1, as malloc(0) is a block too.
double SampleProbability(uint64_t size, uint64_t interval) noexcept;

// How many allocations of `size` bytes one sample stands for; times `size`, how many bytes.
double Weight(uint64_t size, uint64_t interval) noexcept;

// What one sample adds to the variance of the estimated number of allocations, and of their bytes.
double VarianceOfCount(uint64_t size, uint64_t interval) noexcept;
double VarianceOfBytes(uint64_t size, uint64_t interval) noexcept;

// One thread's way to its next mark. All zeros in a new thread, whose first allocation takes the slow path and draws.
//
//   fast path:  if (countdown.Passes(size)) return malloc(size);
//   slow path:  if (const uint32_t interval = countdown.Sampled(size, interval_in_force)) record(size, interval);
//               with countdown.left = UINT64_MAX while recording, so that what recording allocates is not sampled
struct Countdown {
  uint64_t left;      // bytes up to and including the next mark
  uint64_t rng;       // the thread's generator, seeded before its first Sampled()
  uint32_t interval;  // what `left` was drawn with; 0: with none (a new thread, or sampling was off)

  // Whether an allocation of `size` bytes falls short of the mark. Nothing but sampling is decided by it, so any size
  // will do: one near UINT64_MAX, which malloc refuses, is never passed. Of size 0 there is no byte to mark: a caller
  // that wants malloc(0) counted passes 1.
  bool Passes(uint64_t size) noexcept {
    if (size >= left) return false;
    left -= size;
    return true;
  }

  // For the allocation that was not passed: the interval that it is a sample of, or 0 when it is none. That is the
  // interval which its gap was drawn with, not the one in force now: after a change each thread finishes the gap that
  // it is in, and the sample at its end would weigh wrong by the ratio of the two.
  uint32_t Sampled(uint64_t size, uint32_t interval_in_force) noexcept;

  // Counts `bytes` without a sample at their end. For while sampling is off: bounded, so that the thread looks again.
  void Idle(uint64_t bytes) noexcept {
    left = bytes;
    interval = 0;
  }
};
static_assert(sizeof(Countdown) == 24, "static TLS is scarce: about 1.6 KB for all libraries loaded late");
static_assert(std::is_trivial_v<Countdown>,
              "malloc is called before and after a thread's constructors and destructors");

}  // namespace tidemark
