#include "sampling/live_set.h"

#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <csignal>
#include <map>
#include <set>
#include <thread>
#include <unordered_map>
#include <vector>

#include "sampling/poisson.h"

namespace tidemark {
namespace {

constexpr uint32_t kInterval = 512 << 10;

const void* Pointer(uint64_t address) { return reinterpret_cast<const void*>(address); }

// An address such as malloc returns.
uint64_t RandomAddress(uint64_t& rng) { return 0x7f0000000000 + (NextRandom(rng) & 0xfffffffff0); }

LiveSample SampleAt(uint64_t address) { return {address, address / 16, 1, kInterval, 2, 3}; }

// Sets keep their memory for ever, so tests of one capacity share one.
LiveSet& EmptySet(uint32_t capacity) {
  static std::map<uint32_t, LiveSet> sets;
  for (auto& [unused, set] : sets) set.Clear();
  LiveSet& set = sets[capacity];
  EXPECT_TRUE(set.Start(capacity));
  return set;
}

constexpr uint32_t kSmall = 3000;
constexpr uint32_t kLarge = 1 << 20;

// `count` addresses that fall on the byte of the filter that `first` falls on. `set` is empty.
std::vector<uint64_t> AddressesThatShareAByte(LiveSet& set, uint64_t first, size_t count) {
  std::vector<uint64_t> addresses = {first};
  EXPECT_EQ(set.Insert(SampleAt(first)), LiveSet::Insertion::kInserted);
  for (uint64_t address = first + 16; addresses.size() < count; address += 16) {
    if (LiveSet::MightHold(Pointer(address))) addresses.push_back(address);
  }
  set.Clear();
  return addresses;
}

// What a set has counted since this was made.
class Changes {
 public:
  explicit Changes(const LiveSet& set) : set_(set), before_(set.GetCounters()) {}
  LiveSet::Counters operator()() const {
    const LiveSet::Counters now = set_.GetCounters();
    return {now.inserted - before_.inserted,
            now.removed - before_.removed,
            now.replaced - before_.replaced,
            now.dropped_full - before_.dropped_full,
            now.dropped_busy - before_.dropped_busy,
            now.unmatched - before_.unmatched,
            now.thinned - before_.thinned};
  }

 private:
  const LiveSet& set_;
  const LiveSet::Counters before_;
};

TEST(LiveSet, HoldsWhatWasInsertedUntilItIsRemoved) {
  LiveSet& set = EmptySet(kSmall);
  EXPECT_FALSE(LiveSet::MightHold(Pointer(0x1000)));
  const LiveSample sample = {0x1000, 77, 5, kInterval, 9, 42};
  EXPECT_EQ(set.Insert(sample), LiveSet::Insertion::kInserted);
  EXPECT_TRUE(LiveSet::MightHold(Pointer(0x1000)));
  EXPECT_EQ(set.Size(), 1u);
  LiveSample removed = {};
  ASSERT_TRUE(set.Remove(0x1000, removed));
  EXPECT_EQ(removed.address, 0x1000u);
  EXPECT_EQ(removed.size, 77u);
  EXPECT_EQ(removed.trace, 5u);
  EXPECT_EQ(removed.interval, kInterval);
  EXPECT_EQ(removed.time_ds, 9u);
  EXPECT_EQ(removed.id, 42u);
  EXPECT_FALSE(LiveSet::MightHold(Pointer(0x1000)));
  EXPECT_FALSE(set.Remove(0x1000, removed));
  EXPECT_EQ(set.Size(), 0u);
}

TEST(LiveSet, BeforeItIsStartedNothingIsHeldAndNothingBreaks) {
  LiveSet set;
  EmptySet(kSmall);  // whose samples share the filter
  LiveSample sample = SampleAt(0x1000);
  EXPECT_FALSE(LiveSet::MightHold(Pointer(0x1000)));
  EXPECT_EQ(set.Insert(sample), LiveSet::Insertion::kFull);
  EXPECT_FALSE(set.Remove(0x1000, sample));
  EXPECT_FALSE(set.Peek(0x1000, sample));
  EXPECT_FALSE(set.RemoveIf(0x1000, 3));
  set.ForEach([](LiveSample&) { ADD_FAILURE(); });
  uint64_t rng = 1;
  set.Thin(kInterval, rng);
  set.Clear();
  set.AfterForkInChild();
  EXPECT_EQ(set.Size(), 0u);
  EXPECT_EQ(set.Capacity(), 0u);
  EXPECT_EQ(set.GetCounters().inserted, 0u);
}

TEST(LiveSet, StartingAgainChangesNothing) {
  LiveSet& set = EmptySet(kSmall);
  set.Insert(SampleAt(0x1000));
  EXPECT_TRUE(set.Start(kSmall * 100));
  EXPECT_EQ(set.Capacity(), kSmall);
  EXPECT_EQ(set.Size(), 1u);
}

// Every operation against a map, with shards full enough that samples are moved along and around the end.
TEST(LiveSet, AgreesWithAMapOverRandomOperations) {
  LiveSet& set = EmptySet(kSmall);
  std::unordered_map<uint64_t, uint32_t> model;
  std::vector<uint64_t> pool;
  uint64_t rng = 7;
  for (uint32_t i = 0; i < 2 * kSmall; i++) pool.push_back(RandomAddress(rng));
  for (uint32_t i = 0; i < 400'000; i++) {
    const uint64_t address = pool[NextRandom(rng) % pool.size()];
    const auto in_model = model.find(address);
    const bool there = in_model != model.end();
    ASSERT_TRUE(!there || LiveSet::MightHold(Pointer(address)));
    LiveSample sample = SampleAt(address);
    sample.id = i;
    switch (NextRandom(rng) % 8) {
      default: {
        const LiveSet::Insertion insertion = set.Insert(sample);
        if (there) {
          ASSERT_EQ(insertion, LiveSet::Insertion::kReplaced);
        } else if (model.size() == kSmall) {
          ASSERT_EQ(insertion, LiveSet::Insertion::kFull);
          break;
        } else {
          ASSERT_EQ(insertion, LiveSet::Insertion::kInserted);
        }
        model[address] = i;
        break;
      }
      case 0:
      case 1:
      case 2:
        ASSERT_EQ(set.Remove(address, sample), there);
        if (!there) break;
        ASSERT_EQ(sample.address, address);
        ASSERT_EQ(sample.id, in_model->second);
        model.erase(address);
        break;
      case 3:
        ASSERT_EQ(set.Peek(address, sample), there);
        ASSERT_TRUE(!there || sample.id == in_model->second);
        break;
    }
    ASSERT_EQ(set.Size(), model.size());
  }
  size_t visited = 0;
  set.ForEach([&](const LiveSample& sample) {
    visited++;
    const auto in_model = model.find(sample.address);
    ASSERT_NE(in_model, model.end());
    ASSERT_EQ(sample.id, in_model->second);
  });
  EXPECT_EQ(visited, model.size());
  EXPECT_GT(visited, kSmall / 2);
  LiveSample removed = {};
  for (const auto& [address, id] : model) {
    ASSERT_TRUE(LiveSet::MightHold(Pointer(address)));
    ASSERT_TRUE(set.Remove(address, removed));
  }
  for (const uint64_t address : pool) ASSERT_FALSE(LiveSet::MightHold(Pointer(address)));
}

TEST(LiveSet, TheFilterLetsFewOtherAddressesThrough) {
  LiveSet& set = EmptySet(LiveSet::kDefaultCapacity);
  uint64_t rng = 3;
  constexpr int kSamples = 2000;
  constexpr uint64_t kHeap = 0x555500000000;
  for (int i = 0; i < kSamples; i++) set.Insert(SampleAt(kHeap + NextRandom(rng) % (1 << 24) * 16));
  int among = 0;
  int elsewhere = 0;
  int mapped = 0;  // large blocks: each begins 16 bytes into a page
  constexpr int kBlocks = 300'000;
  for (uint64_t i = 0; i < kBlocks; i++) {
    if (LiveSet::MightHold(Pointer(kHeap + i * 800 + 16))) among++;
    if (LiveSet::MightHold(Pointer(kHeap + (uint64_t{1} << 32) + i * 48))) elsewhere++;
    if (LiveSet::MightHold(Pointer(0x7fff00000010 + i * 4096))) mapped++;
  }
  // 2,000 bytes of 2^18 are 0.76 %; twice that leaves room for uneven spreading.
  for (const int through : {among, elsewhere, mapped}) {
    EXPECT_LT(through, kBlocks * 1.5 / 100);
    EXPECT_GT(through, 0);
  }
}

// At small intervals every block of a page is a sample: no shard may fill up before the set does.
TEST(LiveSet, BlocksSideBySideAreSpreadOverTheShards) {
  LiveSet& set = EmptySet(LiveSet::kDefaultCapacity);
  for (const uint64_t stride : {16, 32, 48, 80, 1040, 4096, 65'536, 528'384}) {
    set.Clear();
    for (uint64_t i = 0; i < LiveSet::kDefaultCapacity; i++) {
      ASSERT_EQ(set.Insert(SampleAt(0x7f0000000010 + i * stride)), LiveSet::Insertion::kInserted) << stride << " " << i;
    }
  }
}

TEST(LiveSet, WhenFullItDropsAndCountsAndTakesAgainAfterARemoval) {
  LiveSet& set = EmptySet(kSmall);
  const Changes changes(set);
  uint64_t rng = 5;
  std::vector<uint64_t> addresses;
  while (addresses.size() < kSmall) {
    addresses.push_back(RandomAddress(rng));
    ASSERT_EQ(set.Insert(SampleAt(addresses.back())), LiveSet::Insertion::kInserted);
  }
  EXPECT_EQ(set.Size(), set.Capacity());
  for (int i = 0; i < 100; i++) EXPECT_EQ(set.Insert(SampleAt(RandomAddress(rng))), LiveSet::Insertion::kFull);
  EXPECT_EQ(changes().dropped_full, 100u);
  EXPECT_EQ(set.Size(), kSmall);
  // What is in it can be replaced and removed as ever.
  EXPECT_EQ(set.Insert(SampleAt(addresses[0])), LiveSet::Insertion::kReplaced);
  LiveSample removed = {};
  EXPECT_TRUE(set.Remove(addresses[1], removed));
  EXPECT_EQ(set.Insert(SampleAt(addresses[1])), LiveSet::Insertion::kInserted);
  EXPECT_EQ(set.Insert(SampleAt(addresses[1] + 8)), LiveSet::Insertion::kFull);
}

TEST(LiveSet, OneShardThatIsFullDropsWhileTheSetHasRoom) {
  LiveSet& set = EmptySet(100);
  uint64_t rng = 1;
  const std::vector<uint64_t> addresses = AddressesThatShareAByte(set, RandomAddress(rng), 20);
  const Changes changes(set);
  for (const uint64_t address : addresses) set.Insert(SampleAt(address));
  EXPECT_EQ(changes().inserted, 14u);  // of 16 slots; two stay empty so that a search ends
  EXPECT_EQ(changes().dropped_full, 6u);
  LiveSample sample = {};
  for (size_t i = 0; i < addresses.size(); i++) EXPECT_EQ(set.Remove(addresses[i], sample), i < 14);
  EXPECT_EQ(set.Size(), 0u);
}

TEST(LiveSet, ASampleWhoseFreeWentUnseenIsReplacedAndCounted) {
  LiveSet& set = EmptySet(kSmall);
  const Changes changes(set);
  LiveSample sample = {0x1000, 10, 1, kInterval, 0, 1};
  set.Insert(sample);
  sample = {0x1000, 20, 2, kInterval, 5, 2};
  EXPECT_EQ(set.Insert(sample), LiveSet::Insertion::kReplaced);
  EXPECT_EQ(set.Size(), 1u);
  EXPECT_EQ(changes().replaced, 1u);
  LiveSample removed = {};
  ASSERT_TRUE(set.Remove(0x1000, removed));
  EXPECT_EQ(removed.size, 20u);
  EXPECT_FALSE(LiveSet::MightHold(Pointer(0x1000)));  // was counted once, not twice
}

TEST(LiveSet, RemovingASampleDoesNotHideItsNeighbourOnTheSameByte) {
  LiveSet& set = EmptySet(kSmall);
  uint64_t rng = 2;
  const std::vector<uint64_t> addresses = AddressesThatShareAByte(set, RandomAddress(rng), 3);
  const Changes changes(set);
  set.Insert(SampleAt(addresses[0]));
  set.Insert(SampleAt(addresses[1]));
  LiveSample sample = {};
  EXPECT_FALSE(set.Remove(addresses[2], sample));  // falls on the byte, is no sample
  EXPECT_EQ(changes().unmatched, 1u);
  EXPECT_TRUE(set.Remove(addresses[0], sample));
  EXPECT_TRUE(LiveSet::MightHold(Pointer(addresses[1])));
  EXPECT_TRUE(set.Remove(addresses[1], sample));
  EXPECT_FALSE(LiveSet::MightHold(Pointer(addresses[1])));
}

TEST(LiveSet, AByteOfTheFilterThatWasCountedPastSticksUntilTheSetIsCleared) {
  LiveSet& set = EmptySet(kLarge);
  uint64_t rng = 4;
  const std::vector<uint64_t> addresses = AddressesThatShareAByte(set, RandomAddress(rng), 300);
  for (const uint64_t address : addresses) {
    ASSERT_EQ(set.Insert(SampleAt(address)), LiveSet::Insertion::kInserted);
    ASSERT_TRUE(LiveSet::MightHold(Pointer(address)));
  }
  LiveSample removed = {};
  for (const uint64_t address : addresses) {
    ASSERT_TRUE(LiveSet::MightHold(Pointer(address)));  // else its free would go unseen
    ASSERT_TRUE(set.Remove(address, removed));
  }
  EXPECT_TRUE(LiveSet::MightHold(Pointer(addresses[0])));
  set.Clear();
  EXPECT_FALSE(LiveSet::MightHold(Pointer(addresses[0])));
}

TEST(LiveSet, NullIsNeverASampleEvenWhereOneFallsOnItsByte) {
  LiveSet& set = EmptySet(kSmall);
  uint64_t address = 0x10000;
  for (;; address += 16) {
    set.Insert(SampleAt(address));
    if (LiveSet::MightHold(nullptr)) break;
    LiveSample removed = {};
    set.Remove(address, removed);
  }
  LiveSample sample = {};
  EXPECT_FALSE(set.Remove(0, sample));
  EXPECT_FALSE(set.Peek(0, sample));
  EXPECT_FALSE(set.RemoveIf(0, 0));
  EXPECT_EQ(set.Size(), 1u);
}

// realloc: thread A looks, the block moves, thread B is given the old address and samples it, A commits.
TEST(LiveSet, RemovingWhatWasSeenLeavesTheNewcomerAtItsAddress) {
  LiveSet& set = EmptySet(kSmall);
  set.Insert({0x1000, 10, 1, kInterval, 0, 1});
  LiveSample seen = {};
  ASSERT_TRUE(set.Peek(0x1000, seen));
  EXPECT_EQ(seen.id, 1u);
  EXPECT_EQ(set.Size(), 1u);
  set.Insert({0x1000, 20, 2, kInterval, 0, 2});
  EXPECT_FALSE(set.RemoveIf(0x1000, seen.id));
  LiveSample found = {};
  ASSERT_TRUE(set.Peek(0x1000, found));
  EXPECT_EQ(found.size, 20u);
  EXPECT_TRUE(set.RemoveIf(0x1000, 2));
  EXPECT_FALSE(set.RemoveIf(0x1000, 2));
  EXPECT_FALSE(LiveSet::MightHold(Pointer(0x1000)));
}

TEST(LiveSet, AVisitMayGiveASampleItsFinalTrace) {
  LiveSet& set = EmptySet(kSmall);
  std::set<uint64_t> addresses;
  uint64_t rng = 6;
  while (addresses.size() < 500) addresses.insert(RandomAddress(rng));
  for (const uint64_t address : addresses) set.Insert(SampleAt(address));
  std::set<uint64_t> visited;
  set.ForEach([&](LiveSample& sample) {
    EXPECT_TRUE(visited.insert(sample.address).second);
    sample.trace = 1000;
  });
  EXPECT_EQ(visited, addresses);
  LiveSample sample = {};
  for (const uint64_t address : addresses) {
    ASSERT_TRUE(set.Remove(address, sample));
    ASSERT_EQ(sample.trace, 1000u);
  }
}

TEST(LiveSet, ClearingTakesOutEverySampleAndItsTraceInTheFilter) {
  LiveSet& set = EmptySet(kSmall);
  uint64_t rng = 8;
  std::vector<uint64_t> addresses;
  for (int i = 0; i < 1000; i++) set.Insert(SampleAt(addresses.emplace_back(RandomAddress(rng))));
  set.Clear();
  EXPECT_EQ(set.Size(), 0u);
  set.ForEach([](LiveSample&) { ADD_FAILURE(); });
  LiveSample sample = {};
  for (const uint64_t address : addresses) {
    ASSERT_FALSE(LiveSet::MightHold(Pointer(address)));
    ASSERT_FALSE(set.Remove(address, sample));
  }
  EXPECT_EQ(set.Insert(SampleAt(addresses[0])), LiveSet::Insertion::kInserted);
}

// Runs in a child of fork, made while this thread holds the lock of the shard of `address`, as another thread may.
// Exits with the number of the check that failed.
int UseInChild(LiveSet& set, uint64_t address) {
  errno = EXDEV;
  set.AfterForkInChild();
  if (errno != EXDEV) return 1;
  if (set.Size() != 0 || LiveSet::MightHold(Pointer(address))) return 2;
  LiveSample sample = {};
  if (set.Remove(address, sample)) return 3;
  if (set.GetCounters().inserted != 0) return 4;
  if (set.Insert(SampleAt(address)) != LiveSet::Insertion::kInserted) return 5;
  if (!set.Remove(address, sample)) return 6;
  return 0;
}

TEST(LiveSet, IsEmptyAndUnlockedInAChildWhicheverLockWasHeldAndUnchangedInTheParent) {
  LiveSet& set = EmptySet(kSmall);
  uint64_t rng = 9;
  for (int i = 0; i < 1000; i++) set.Insert(SampleAt(RandomAddress(rng)));
  int forks = 0;
  set.ForEach([&](LiveSample& sample) {
    if (forks++ > 0) return;
    const uint64_t address = sample.address;  // the child has no sample any more
    const pid_t child = fork();
    if (child == 0) _exit(UseInChild(set, address));
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  });
  EXPECT_EQ(set.Size(), 1000u);
  set.ForEach([&](const LiveSample& sample) { EXPECT_EQ(sample.size, sample.address / 16); });
}

// free() may be called before our handler of pthread_atfork, by one that was registered earlier, and a plain clone()
// calls none.
TEST(LiveSet, AChildThatHasNotToldUsYetWaitsForNoLockOfTheParents) {
  LiveSet& set = EmptySet(kSmall);
  uint64_t rng = 11;
  const uint64_t address = RandomAddress(rng);
  set.Insert(SampleAt(address));
  set.ForEach([&](LiveSample&) {
    const pid_t child = static_cast<pid_t>(syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr));
    if (child == 0) {
      alarm(10);
      LiveSample removed;
      _exit(set.Remove(address, removed) ? 1 : 0);
    }
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  });
  EXPECT_EQ(set.Size(), 1u);
}

TEST(LiveSet, ThinningKeepsSamplesThatFollowTheNewIntervalAlreadyAndCountsTheOthers) {
  LiveSet& set = EmptySet(kSmall);
  const Changes changes(set);
  uint64_t addresses = 10;
  uint64_t rng = 10;
  for (int i = 0; i < 1000; i++) set.Insert({RandomAddress(addresses), 64, 1, kInterval, 0, 0});
  for (int i = 0; i < 1000; i++) set.Insert({RandomAddress(addresses), 64, 1, kInterval * 4, 0, 1});
  for (int i = 0; i < 500; i++) set.Insert({RandomAddress(addresses), kInterval * 100ull, 1, kInterval, 0, 2});
  set.Thin(kInterval * 2, rng);
  int kept[3] = {};
  set.ForEach([&](const LiveSample& sample) {
    kept[sample.id]++;
    EXPECT_EQ(sample.interval, sample.id == 1 ? kInterval * 4 : kInterval * 2);
  });
  EXPECT_NEAR(kept[0], 500, 4 * std::sqrt(1000 * 0.25));
  EXPECT_EQ(kept[1], 1000);  // of a larger interval: there is nothing to bring back
  EXPECT_EQ(kept[2], 500);   // so large that it is sampled at either interval
  EXPECT_EQ(changes().thinned, static_cast<uint64_t>(1000 - kept[0]));
  EXPECT_EQ(set.Size(), static_cast<uint32_t>(kept[0] + 1500));
}

// Blocks are sampled and inserted until thinning, twice, has made room for them; the estimate of all of them is then
// within 4 of its standard deviations, and over the runs neither its mean nor its variance is off.
TEST(LiveSet, ThinningLeavesTheEstimateUnbiased) {
  LiveSet& set = EmptySet(kSmall);
  constexpr int kRuns = 100;
  constexpr int kBlocks = 20'000;
  double deviations = 0;
  int covered = 0;
  for (int run = 0; run < kRuns; run++) {
    set.Clear();
    uint64_t rng = SeedFor(run, 3);
    Countdown countdown = {0, SeedFor(run, 4), 0};
    uint32_t interval = 32 << 10;
    double truth = 0;
    for (int i = 0; i < kBlocks; i++) {
      const auto size = static_cast<uint64_t>(16 * std::exp2(12 * NextUniform(rng)));
      truth += static_cast<double>(size);
      const uint32_t drawn = countdown.Passes(size) ? 0 : countdown.Sampled(size, interval);
      if (drawn != 0) set.Insert({RandomAddress(rng), size, 1, drawn, 0, 0});
      if (i == kBlocks / 3 || i == kBlocks / 3 * 2) {
        interval *= 4;
        set.Thin(interval, rng);
      }
    }
    double estimate = 0;
    double variance = 0;
    set.ForEach([&](const LiveSample& sample) {
      estimate += Weight(sample.size, sample.interval) * static_cast<double>(sample.size);
      variance += VarianceOfBytes(sample.size, sample.interval);
    });
    const double deviation = (estimate - truth) / std::sqrt(variance);
    deviations += deviation;
    if (std::abs(deviation) <= 1.96) covered++;
    EXPECT_LT(std::abs(deviation), 4) << run;
  }
  EXPECT_LT(std::abs(deviations / kRuns), 4 / std::sqrt(kRuns));
  EXPECT_GE(covered, 88);  // 95 of 100, less 3 standard deviations of 2.2
}

TEST(LiveSet, KeepsErrno) {
  LiveSet& set = EmptySet(kSmall);
  errno = EXDEV;
  LiveSample sample = SampleAt(0x1000);
  set.Insert(sample);
  set.Peek(0x1000, sample);
  set.Remove(0x1000, sample);
  EXPECT_EQ(errno, EXDEV);
}

// Threads take blocks, sample them, hand them to each other and free them, while a collector visits and thins. Each
// block has one owner at a time, as with malloc: its free finds exactly the sample that its owner put in.
TEST(LiveSet, UnderManyThreadsEveryFreeFindsItsSampleAndTheCountsAddUp) {
  LiveSet& set = EmptySet(kSmall);
  const Changes changes(set);
  constexpr int kThreads = 6;
  constexpr int kOperations = 200'000;
  constexpr size_t kBlocks = 2048;
  // A free block is its address; one in use has bit 0 set when it is a sample, and bit 1 always.
  std::vector<std::atomic<uint64_t>> blocks(kBlocks);
  uint64_t rng = 11;
  for (std::atomic<uint64_t>& block : blocks) block = RandomAddress(rng);
  std::atomic<int> missed{0};
  std::atomic<int> running{kThreads};
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int t = 0; t < kThreads; t++) {
    threads.emplace_back([&, t] {
      uint64_t own_rng = SeedFor(t, 5);
      for (int i = 0; i < kOperations; i++) {
        std::atomic<uint64_t>& box = blocks[NextRandom(own_rng) % kBlocks];
        const uint64_t taken = box.exchange(0, std::memory_order_acq_rel);
        if (taken == 0) continue;  // another thread has it in hand
        const uint64_t address = taken & ~uint64_t{15};
        uint64_t put_back = address;
        if ((taken & 2) == 0) {
          const bool large = NextRandom(own_rng) % 2 == 0;  // never thinned away
          const LiveSample sample = {address, large ? uint64_t{1} << 40 : address & 0xffff, 1, 4096, 0, 0};
          put_back |= 2 | (set.Insert(sample) == LiveSet::Insertion::kInserted && large ? 1 : 0);
        } else if (LiveSet::MightHold(Pointer(address))) {
          LiveSample removed = {};
          const bool found = set.Remove(address, removed);
          if (found && removed.address != address) missed++;
          if ((taken & 1) != 0 && !(found && removed.size == uint64_t{1} << 40)) missed++;
        } else if ((taken & 1) != 0) {
          missed++;
        }
        box.store(put_back, std::memory_order_release);
      }
      running--;
    });
  }
  uint64_t own_rng = 12;
  uint32_t interval = 4096;
  while (running > 0) {
    set.ForEach([](LiveSample& sample) { sample.trace++; });
    set.Thin(interval += 64, own_rng);
    std::this_thread::yield();
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(missed, 0);
  const LiveSet::Counters counted = changes();
  EXPECT_EQ(counted.replaced, 0u);
  EXPECT_GT(counted.removed, 1000u);
  EXPECT_EQ(counted.inserted, counted.removed + counted.thinned + set.Size());
  size_t visited = 0;
  set.ForEach([&](const LiveSample&) { visited++; });
  EXPECT_EQ(visited, set.Size());
}

}  // namespace
}  // namespace tidemark
