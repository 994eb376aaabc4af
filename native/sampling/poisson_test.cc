// Every seed is fixed, so each test gives one result for ever; bounds are 4 standard deviations of what is tested
// unless they say otherwise, so that another generator would pass too.
#include "sampling/poisson.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <set>
#include <thread>
#include <vector>

namespace tidemark {
namespace {

constexpr uint32_t kInterval = 512 << 10;

Countdown NewThread(uint64_t seed) { return {0, SeedFor(seed, 1), 0}; }

// As the hook does it: 0, or the interval of the sample that the allocation is.
uint32_t Allocate(Countdown& countdown, uint64_t size, uint32_t interval) {
  return countdown.Passes(size) ? 0 : countdown.Sampled(size, interval);
}

TEST(NextGap, IsTheExponentialOfItsRandomNumberToNineDigits) {
  constexpr uint64_t kLong = uint64_t{1} << 50;  // so long that rounding to whole bytes does not show
  uint64_t rng = 1;
  for (int i = 0; i < 1'000'000; i++) {
    uint64_t same = rng;
    const double u = static_cast<double>((NextRandom(same) >> 11) + 1) * 0x1p-53;
    const double exact = -std::log(u) * static_cast<double>(kLong);
    const double gap = static_cast<double>(NextGap(rng, kLong));
    ASSERT_NEAR(gap, exact, 3e-9 * exact + 1) << u;
  }
}

TEST(NextGap, CoversNBytesWithTheProbabilityOfASampleOfNBytes) {
  for (const uint64_t interval : {2, 3, 10, 1000}) {
    constexpr int kDraws = 200'000;
    std::vector<int> at_most(64, 0);
    uint64_t rng = interval;
    for (int i = 0; i < kDraws; i++) {
      for (uint64_t n = NextGap(rng, interval); n < at_most.size(); n++) at_most[n]++;
    }
    EXPECT_EQ(at_most[0], 0);
    for (uint64_t n = 1; n < at_most.size(); n++) {
      const double p = SampleProbability(n, interval);
      EXPECT_NEAR(at_most[n], kDraws * p, 4 * std::sqrt(kDraws * p * (1 - p)) + 1) << n << " of " << interval;
    }
  }
}

TEST(NextGap, StaysInRangeForAnyInterval) {
  uint64_t rng = 1;
  for (int i = 0; i < 1000; i++) {
    EXPECT_EQ(NextGap(rng, 0), 1u);
    EXPECT_EQ(NextGap(rng, 1), 1u);
    const uint64_t gap = NextGap(rng, UINT64_MAX);
    EXPECT_GE(gap, 1u);
    EXPECT_LE(gap, (uint64_t{1} << 62) + 1);
  }
}

TEST(Weight, IsTheInverseOfTheProbabilityForSmallAndForLargeSizes) {
  // To the second order, 1/p of a small size is interval/size + 1/2.
  EXPECT_NEAR(Weight(16, kInterval), kInterval / 16.0 + 0.5, 1e-4);
  EXPECT_NEAR(Weight(kInterval, kInterval), 1 / (1 - std::exp(-1.0)), 1e-12);
  EXPECT_EQ(Weight(uint64_t{1} << 40, kInterval), 1);
  EXPECT_EQ(Weight(UINT64_MAX, kInterval), 1);
}

TEST(Weight, OfAnEmptyBlockIsThatOfOneByte) {
  EXPECT_EQ(Weight(0, kInterval), Weight(1, kInterval));
  EXPECT_EQ(VarianceOfCount(0, kInterval), VarianceOfCount(1, kInterval));
  EXPECT_EQ(VarianceOfBytes(0, kInterval), 0);
}

TEST(Weight, IsExactlyOneWithoutVarianceWhenEverythingIsSampled) {
  for (const uint64_t interval : {0, 1}) {
    for (const uint64_t size : {0, 1, 7, 1 << 20}) {
      EXPECT_EQ(Weight(size, interval), 1);
      EXPECT_EQ(VarianceOfBytes(size, interval), 0);
    }
  }
}

TEST(Weight, LeavesErrnoAlone) {
  for (uint64_t size = 1; size < uint64_t{1} << 62; size *= 2) {
    for (uint64_t interval = 1; interval < uint64_t{1} << 62; interval *= 8) {
      errno = EXDEV;
      uint64_t rng = size;
      NextGap(rng, interval);
      EXPECT_GE(Weight(size, interval), 1);
      EXPECT_GE(VarianceOfBytes(size, interval), 0);
      ASSERT_EQ(errno, EXDEV) << size << " " << interval;
    }
  }
}

TEST(SeedFor, DiffersBetweenThreadsAndBetweenSessions) {
  std::set<uint64_t> seeds;
  for (uint64_t thread = 0; thread < 100; thread++) {
    for (uint64_t session = 0; session < 100; session++) seeds.insert(SeedFor(thread, session));
  }
  EXPECT_EQ(seeds.size(), 10'000u);
}

TEST(Countdown, SamplesEveryAllocationAtIntervalOne) {
  Countdown countdown = NewThread(1);
  for (uint64_t size = 1; size < 1000; size++) ASSERT_EQ(Allocate(countdown, size, 1), 1u);
}

TEST(Countdown, NeverPassesASizeThatMallocRefuses) {
  Countdown countdown = NewThread(1);
  for (int i = 0; i < 1000; i++) {
    EXPECT_FALSE(countdown.Passes(UINT64_MAX));
    ASSERT_EQ(Allocate(countdown, UINT64_MAX - 1, kInterval), kInterval);
    ASSERT_GT(countdown.left, 0u);
  }
}

TEST(Countdown, PassesEverythingWhileASampleIsRecorded) {
  Countdown countdown = NewThread(1);
  countdown.left = UINT64_MAX;
  for (int i = 0; i < 1000; i++) ASSERT_TRUE(countdown.Passes(uint64_t{1} << 40));
}

// n allocations of one size: the estimate of n is the sum of the samples' weights, with the variance n (1-p)/p.
TEST(Countdown, WeightedCountsAndBytesAreUnbiasedAtEverySize) {
  for (const uint64_t size : {1, 16, 100, 4096, 65'537, 524'288, 1'000'003, 8'388'608}) {
    const double p = SampleProbability(size, kInterval);
    const int n = static_cast<int>(std::min(20'000'000.0, 20'000 / p));
    Countdown countdown = NewThread(size);
    double count = 0;
    double bytes = 0;
    double variance = 0;
    for (int i = 0; i < n; i++) {
      const uint32_t interval = Allocate(countdown, size, kInterval);
      if (interval == 0) continue;
      count += Weight(size, interval);
      bytes += Weight(size, interval) * static_cast<double>(size);
      variance += VarianceOfCount(size, interval);
    }
    const double sigma = std::sqrt(n * (1 - p) / p);
    EXPECT_NEAR(count, n, 4 * sigma) << size;
    EXPECT_NEAR(bytes, static_cast<double>(n) * static_cast<double>(size), 4 * sigma * static_cast<double>(size));
    // Each of the np samples adds the same, so their number's relative deviation is the estimate's.
    EXPECT_NEAR(variance / (sigma * sigma), 1, 4 * std::sqrt((1 - p) / (n * p))) << size;
  }
}

// A thread that allocates once must not be sampled for being new, nor one that looks again for having been idle.
TEST(Countdown, TheFirstAllocationOfAThreadAndTheFirstAfterIdlenessAreSampledLikeAnyOther) {
  constexpr int kThreads = 100'000;
  constexpr uint64_t kSize = 100'000;
  const double p = SampleProbability(kSize, kInterval);
  const double sigma = std::sqrt(kThreads * p * (1 - p));
  int first = 0;
  int after_idle = 0;
  for (int i = 0; i < kThreads; i++) {
    Countdown countdown = NewThread(i);
    if (Allocate(countdown, kSize, kInterval) != 0) first++;
    countdown.Idle(150'000);
    ASSERT_EQ(Allocate(countdown, 149'999, kInterval), 0u);
    if (Allocate(countdown, kSize, kInterval) != 0) after_idle++;
  }
  EXPECT_NEAR(first, kThreads * p, 4 * sigma);
  EXPECT_NEAR(after_idle, kThreads * p, 4 * sigma);
}

// Sizes of a mix, and the bytes to allocate in one run.
struct Mix {
  const char* name;
  uint64_t (*size)(uint64_t& rng);
  uint64_t total;
};

constexpr uint64_t kMiB = 1 << 20;
const Mix kMixes[] = {
    {"64 bytes", [](uint64_t&) -> uint64_t { return 64; }, 128 * kMiB},
    {"16 bytes to 64 KiB, log-uniform",
     [](uint64_t& rng) { return static_cast<uint64_t>(16 * std::exp2(12 * NextUniform(rng))); }, 256 * kMiB},
    {"90 % 96 bytes, 9 % 4 KiB, 1 % 256 KiB",
     [](uint64_t& rng) -> uint64_t {
       const double u = NextUniform(rng);
       return u < 0.90 ? 96 : u < 0.99 ? 4096 : 262'144;
     },
     256 * kMiB},
    {"1 to 8 MiB", [](uint64_t& rng) { return kMiB + NextRandom(rng) % (7 * kMiB); }, 256 * kMiB},
};

// The interval in force until that share of the bytes was allocated.
struct Stage {
  double until;
  uint32_t interval;
};

// Runs each mix with 128 seeds. Bytes must be unbiased within 2 % (the mean of 128 runs has a standard deviation of
// sqrt(512 KiB / 128 MiB / 128) = 0.55 % at most), and the 95 % interval that goes with an estimate must hold the truth
// in at least 90 % of the runs.
void ExpectUnbiasedBytes(const std::vector<Stage>& stages) {
  constexpr int kRuns = 128;
  uint64_t seed = 0;
  for (const Mix& mix : kMixes) {
    double ratios = 0;
    int covered = 0;
    for (int run = 0; run < kRuns; run++) {
      seed++;
      uint64_t sizes = SeedFor(seed, 2);
      Countdown countdown = NewThread(seed);
      uint64_t truth = 0;
      double estimate = 0;
      double variance = 0;
      for (const Stage& stage : stages) {
        const auto until = static_cast<uint64_t>(stage.until * static_cast<double>(mix.total));
        while (truth < until) {
          const uint64_t size = mix.size(sizes);
          truth += size;
          const uint32_t interval = Allocate(countdown, size, stage.interval);
          if (interval == 0) continue;
          estimate += Weight(size, interval) * static_cast<double>(size);
          variance += VarianceOfBytes(size, interval);
        }
      }
      ratios += estimate / static_cast<double>(truth);
      if (std::abs(estimate - static_cast<double>(truth)) <= 1.96 * std::sqrt(variance)) covered++;
    }
    EXPECT_NEAR(ratios / kRuns, 1, 0.02) << mix.name;
    EXPECT_GE(covered, kRuns * 90 / 100) << mix.name;
  }
}

TEST(Estimate, OfBytesIsUnbiasedAndItsIntervalHoldsForFourMixes) { ExpectUnbiasedBytes({{1, kInterval}}); }

TEST(Estimate, OfBytesIsUnbiasedAndItsIntervalHoldsWhenTheSamplingIntervalChangesMidway) {
  ExpectUnbiasedBytes({{0.3, kInterval}, {0.7, kInterval / 8}, {1, kInterval * 2}});
}

// Over a long life the error would cancel but for one sample, since each takes the next one's weight: so many threads,
// each with one change early in its life.
TEST(Estimate, WeighsASampleByTheIntervalThatItsGapWasDrawnWith) {
  constexpr int kThreads = 5000;
  constexpr int kAllocations = 1000;  // a thread
  constexpr uint64_t kSize = 1000;
  double count = 0;
  double variance = 0;
  for (int thread = 0; thread < kThreads; thread++) {
    Countdown countdown = NewThread(thread);
    for (int i = 0; i < kAllocations; i++) {
      const uint32_t interval = Allocate(countdown, kSize, i < kAllocations / 2 ? 262'144 : 4096);
      if (interval == 0) continue;
      count += Weight(kSize, interval);
      variance += VarianceOfCount(kSize, interval);
    }
  }
  EXPECT_NEAR(count, kThreads * kAllocations, 4 * std::sqrt(variance));
  EXPECT_LT(std::sqrt(variance), 0.02 * kThreads * kAllocations);
}

}  // namespace
}  // namespace tidemark
