#include "sampling/poisson.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>

namespace tidemark {
namespace {

constexpr double kLn2 = 0x1.62e42fefa39efp-1;
constexpr double kSqrt2 = 0x1.6a09e667f3bcdp0;

// -ln u for u in (0, 1]. Not log(): in libm that has been another symbol version since glibc 2.29, and this has to
// load on 2.28. With u = m 2^e, m in [sqrt(1/2), sqrt(2)], and s = (m-1)/(m+1), so |s| < 0.1716, it is
// ln m = 2(s + s^3/3 + ... + s^9/9) and a remainder below s^10/10 of itself: relative error < 3e-9.
double MinusLog(double u) noexcept {
  const uint64_t bits = std::bit_cast<uint64_t>(u);
  int exponent = static_cast<int>(bits >> 52) - 1023;
  double m = std::bit_cast<double>((bits & 0x000FFFFFFFFFFFFF) | 0x3FF0000000000000);
  if (m > kSqrt2) {
    m /= 2;
    exponent++;
  }
  const double s = (m - 1) / (m + 1);
  const double s2 = s * s;
  const double log = 2 * s * (1 + s2 * (1.0 / 3 + s2 * (1.0 / 5 + s2 * (1.0 / 7 + s2 * (1.0 / 9)))));
  return -exponent * kLn2 - log;
}

// p, and from it (1-p)/p^2, are what every estimate is made of.
double CountVariance(double p) noexcept { return (1 - p) / (p * p); }

}  // namespace

uint64_t SeedFor(uint64_t thread, uint64_t session) noexcept {
  uint64_t state = thread;
  state = NextRandom(state) ^ session;
  return NextRandom(state);
}

uint64_t NextGap(uint64_t& rng, uint64_t interval) noexcept {
  if (interval <= 1) return 1;
  const double u = static_cast<double>((NextRandom(rng) >> 11) + 1) * 0x1p-53;
  // For whole n, 1 + floor(x) <= n exactly when x < n. The cap is beyond any number of bytes, and keeps a double out
  // of an integer that cannot hold it.
  return 1 + static_cast<uint64_t>(std::min(MinusLog(u) * static_cast<double>(interval), 0x1p62));
}

double SampleProbability(uint64_t size, uint64_t interval) noexcept {
  if (interval <= 1) return 1;
  return -std::expm1(-static_cast<double>(std::max<uint64_t>(size, 1)) / static_cast<double>(interval));
}

double Weight(uint64_t size, uint64_t interval) noexcept { return 1 / SampleProbability(size, interval); }

double VarianceOfCount(uint64_t size, uint64_t interval) noexcept {
  return CountVariance(SampleProbability(size, interval));
}

double VarianceOfBytes(uint64_t size, uint64_t interval) noexcept {
  const double bytes = static_cast<double>(size);
  return VarianceOfCount(size, interval) * bytes * bytes;
}

uint32_t Countdown::Sampled(uint64_t size, uint32_t interval_in_force) noexcept {
  assert(interval_in_force > 0);
  if (interval == 0) {
    interval = interval_in_force;
    left = NextGap(rng, interval);
    if (Passes(size)) return 0;
  }
  const uint32_t drawn_with = interval;
  interval = interval_in_force;
  left = NextGap(rng, interval);
  return drawn_with;
}

}  // namespace tidemark
