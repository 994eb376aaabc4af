#include "sampling/trace_table.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <set>
#include <thread>
#include <vector>

#include "sampling/live_set.h"
#include "sampling/poisson.h"

namespace tidemark {
namespace {

constexpr uint64_t kInterval = 512 << 10;

struct Drained {
  std::vector<uint64_t> pcs;
  TraceKey key;  // its pcs are gone
  TraceSums sums;
};

// Flips, and takes out what is there.
std::map<uint32_t, Drained> Drain(TraceTable& table) {
  std::map<uint32_t, Drained> drained;
  EXPECT_TRUE(table.Flip(1000));
  table.ForEachDrained([&](uint32_t id, const TraceKey& key, const TraceSums& sums) {
    std::vector<uint64_t> pcs(key.pcs, key.pcs + key.frames);
    EXPECT_TRUE(drained.emplace(id, Drained{pcs, key, sums}).second);
  });
  table.ClearDrained();
  return drained;
}

// Tables keep their memory for ever, so tests of one size share one.
TraceTable& EmptyTable(size_t traces = 1000, size_t pc_words = 16'000) {
  static std::map<std::pair<size_t, size_t>, TraceTable> tables;
  TraceTable& table = tables[{traces, pc_words}];
  EXPECT_TRUE(table.Start(traces, pc_words));
  Drain(table);
  Drain(table);
  return table;
}

uint32_t AddOne(TraceTable& table, const std::vector<uint64_t>& pcs, uint64_t size = 100, uint32_t region = 0,
                uint32_t thread = 0, uint16_t flags = 0) {
  const TraceTable::Ticket ticket = table.Begin();
  const uint32_t id =
      table.Add(ticket, {pcs.data(), static_cast<uint16_t>(pcs.size()), flags, region, thread}, size, kInterval);
  table.End(ticket);
  return id;
}

TEST(TraceTable, KeepsAStackOnceAndSumsWhatItsSamplesStandFor) {
  TraceTable& table = EmptyTable();
  const uint64_t added = table.GetCounters().added;
  const uint32_t id = AddOne(table, {1, 2, 3}, 100, 4, 5, 6);
  EXPECT_EQ(AddOne(table, {1, 2, 3}, 1'000'000, 4, 5, 6), id);
  EXPECT_EQ(AddOne(table, {1, 2, 3}, 100, 4, 5, 6), id);
  const std::map<uint32_t, Drained> drained = Drain(table);
  ASSERT_EQ(drained.size(), 1u);
  const Drained& trace = drained.at(id);
  EXPECT_EQ(trace.pcs, (std::vector<uint64_t>{1, 2, 3}));
  EXPECT_EQ(trace.key.region, 4u);
  EXPECT_EQ(trace.key.thread, 5u);
  EXPECT_EQ(trace.key.flags, 6u);
  EXPECT_EQ(trace.sums.samples, 3u);
  const auto twice_and_once = [](auto&& of) { return 2 * of(100, kInterval) + of(1'000'000, kInterval); };
  EXPECT_DOUBLE_EQ(trace.sums.count, twice_and_once(Weight));
  EXPECT_DOUBLE_EQ(trace.sums.bytes, 200 * Weight(100, kInterval) + 1e6 * Weight(1'000'000, kInterval));
  EXPECT_DOUBLE_EQ(trace.sums.count_variance, twice_and_once(VarianceOfCount));
  EXPECT_DOUBLE_EQ(trace.sums.bytes_variance, twice_and_once(VarianceOfBytes));
  EXPECT_EQ(table.GetCounters().added, added + 3);
}

TEST(TraceTable, TellsTracesApartByEveryPartOfTheirKey) {
  TraceTable& table = EmptyTable();
  std::set<uint32_t> ids;
  ids.insert(AddOne(table, {}));
  ids.insert(AddOne(table, {0}));
  ids.insert(AddOne(table, {0, 0}));
  ids.insert(AddOne(table, {1, 2}));
  ids.insert(AddOne(table, {2, 1}));
  ids.insert(AddOne(table, {1, 2, 3}));
  ids.insert(AddOne(table, {1, 2, 3}, 100, 1));
  ids.insert(AddOne(table, {1, 2, 3}, 100, 0, 1));
  ids.insert(AddOne(table, {1, 2, 3}, 100, 0, 0, 1));
  EXPECT_EQ(ids.size(), 9u);
  EXPECT_EQ(ids.count(TraceTable::kNone), 0u);
  const std::map<uint32_t, Drained> drained = Drain(table);
  EXPECT_EQ(drained.size(), 9u);
  for (const uint32_t id : ids) EXPECT_EQ(drained.count(id), 1u);
}

TEST(TraceTable, DrainsInTheOrderInWhichTracesCameAndOnlyOnce) {
  TraceTable& table = EmptyTable();
  for (uint64_t i = 0; i < 500; i++) AddOne(table, {i, i + 1});
  for (uint64_t i = 0; i < 500; i++) AddOne(table, {i, i + 1});
  uint64_t i = 0;
  const std::map<uint32_t, Drained> drained = Drain(table);
  for (const auto& [id, trace] : drained) {
    ASSERT_EQ(trace.pcs[0], i++);
    ASSERT_EQ(trace.sums.samples, 2u);
  }
  EXPECT_EQ(i, 500u);
  EXPECT_EQ(Drain(table).size(), 0u);
  EXPECT_EQ(Drain(table).size(), 0u);
}

TEST(TraceTable, RawIdsAreMarkedAndDifferBetweenTheBuffers) {
  TraceTable& table = EmptyTable();
  const uint32_t first = AddOne(table, {1});
  Drain(table);
  const uint32_t second = AddOne(table, {1});
  EXPECT_NE(first, second);
  EXPECT_NE(first & TraceTable::kRaw, 0u);
  EXPECT_NE(second & TraceTable::kRaw, 0u);
  Drain(table);
}

TEST(TraceTable, KnowsWhichRawIdsAreOfWhatWasDrained) {
  TraceTable& table = EmptyTable();
  const uint32_t before = AddOne(table, {1, 2, 3});
  EXPECT_FALSE(table.IsDrained(before));
  ASSERT_TRUE(table.Flip(1000));
  const uint32_t after = AddOne(table, {1, 2, 3});
  EXPECT_TRUE(table.IsDrained(before));
  EXPECT_FALSE(table.IsDrained(after));
  EXPECT_FALSE(table.IsDrained(7));  // a final one
  table.ClearDrained();
  EXPECT_FALSE(table.IsDrained(before));
}

TEST(TraceTable, BeforeItIsStartedEverySampleIsDroppedAndCounted) {
  TraceTable table;
  EXPECT_EQ(AddOne(table, {1, 2, 3}), TraceTable::kNone);
  EXPECT_EQ(table.GetCounters().dropped_full, 1u);
  EXPECT_FALSE(table.NearlyFull());
  EXPECT_EQ(Drain(table).size(), 0u);
  table.AfterForkInChild();
}

TEST(TraceTable, RefusesSizesThatItsIdsCannotName) {
  TraceTable table;
  EXPECT_FALSE(table.Start(0, 100));
  EXPECT_FALSE(table.Start(size_t{1} << 40, 100));
  EXPECT_FALSE(table.Start(100, size_t{1} << 40));
  EXPECT_EQ(AddOne(table, {1}), TraceTable::kNone);
}

TEST(TraceTable, WhenTracesRunOutItDropsNewOnesAndGoesOnCountingThoseItHas) {
  TraceTable& table = EmptyTable(100, 16'000);
  const uint64_t dropped = table.GetCounters().dropped_full;
  for (uint64_t i = 0; i < 75; i++) ASSERT_NE(AddOne(table, {i}), TraceTable::kNone);
  EXPECT_FALSE(table.NearlyFull());
  for (uint64_t i = 75; i < 100; i++) ASSERT_NE(AddOne(table, {i}), TraceTable::kNone);
  EXPECT_TRUE(table.NearlyFull());
  for (uint64_t i = 100; i < 150; i++) ASSERT_EQ(AddOne(table, {i}), TraceTable::kNone);
  for (uint64_t i = 0; i < 100; i++) ASSERT_NE(AddOne(table, {i}), TraceTable::kNone);
  EXPECT_EQ(table.GetCounters().dropped_full, dropped + 50);
  const std::map<uint32_t, Drained> drained = Drain(table);
  EXPECT_EQ(drained.size(), 100u);
  for (const auto& [id, trace] : drained) EXPECT_EQ(trace.sums.samples, 2u);
  EXPECT_FALSE(table.NearlyFull());
  EXPECT_NE(AddOne(table, {1000}), TraceTable::kNone);
}

TEST(TraceTable, WhenWordsRunOutItDropsNewStacksAndGoesOnCountingThoseItHas) {
  TraceTable& table = EmptyTable(1000, 100);
  const std::vector<uint64_t> longest(100, 7);
  const uint32_t id = AddOne(table, longest);
  ASSERT_NE(id, TraceTable::kNone);
  EXPECT_TRUE(table.NearlyFull());
  EXPECT_EQ(AddOne(table, {1}), TraceTable::kNone);
  EXPECT_EQ(AddOne(table, longest), id);
  EXPECT_NE(AddOne(table, {}), TraceTable::kNone);  // takes no word
  EXPECT_EQ(Drain(table).size(), 2u);
  EXPECT_EQ(AddOne(table, std::vector<uint64_t>(101, 7)), TraceTable::kNone);
}

TEST(TraceTable, WithAThreadInsideATicketNothingIsDrainedAndOthersGoOnInTheOtherBuffer) {
  TraceTable& table = EmptyTable(100, 16'000);
  const TraceTable::Ticket stopped = table.Begin();
  const uint64_t pcs[] = {1, 2, 3};
  EXPECT_FALSE(table.Flip(0));
  EXPECT_FALSE(table.Flip(5));
  table.ForEachDrained([](uint32_t, const TraceKey&, const TraceSums&) { ADD_FAILURE(); });
  table.ClearDrained();  // there is nothing to clear yet
  for (uint64_t i = 0; i < 100; i++) ASSERT_NE(AddOne(table, {i}), TraceTable::kNone);
  EXPECT_FALSE(table.Flip(0));
  EXPECT_EQ(AddOne(table, {100}), TraceTable::kNone);  // full and not drained: the price, and it is counted
  // The thread goes on: its stack arrives where its ticket says.
  const uint32_t id = table.Add(stopped, {pcs, 3, 0, 0, 0}, 100, kInterval);
  table.End(stopped);
  const std::map<uint32_t, Drained> first = Drain(table);
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(first.at(id).pcs, (std::vector<uint64_t>{1, 2, 3}));
  EXPECT_EQ(Drain(table).size(), 100u);
}

TEST(TraceTable, KeepsErrnoInAHook) {
  TraceTable& table = EmptyTable();
  errno = EXDEV;
  AddOne(table, {1, 2, 3});
  EXPECT_EQ(errno, EXDEV);
}

// Exits with the number of the check that failed.
int UseInChild(TraceTable& table) {
  errno = EXDEV;
  table.AfterForkInChild();
  if (errno != EXDEV) return 1;
  if (table.GetCounters().added != 0) return 2;
  if (!table.Flip(0)) return 3;  // no ticket of a thread that is not here
  int drained = 0;
  table.ForEachDrained([&](uint32_t, const TraceKey&, const TraceSums&) { drained++; });
  table.ClearDrained();
  if (drained != 0) return 4;
  const uint32_t id = AddOne(table, {1, 2, 3});
  if (id == TraceTable::kNone || !table.Flip(0)) return 5;
  table.ForEachDrained([&](uint32_t raw, const TraceKey& key, const TraceSums& sums) {
    if (raw == id && key.pcs[2] == 3 && sums.samples == 1) drained++;
  });
  return drained == 1 ? 0 : 6;
}

TEST(TraceTable, IsEmptyInAChildWithoutTheTicketsOfTheParentsThreadsAndUnchangedInTheParent) {
  TraceTable& table = EmptyTable();
  const uint32_t id = AddOne(table, {1, 2, 3});
  AddOne(table, {1, 2, 3, 4});
  const TraceTable::Ticket ticket = table.Begin();
  const pid_t child = fork();
  if (child == 0) _exit(UseInChild(table));
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  table.End(ticket);
  const std::map<uint32_t, Drained> drained = Drain(table);
  EXPECT_EQ(drained.size(), 2u);
  EXPECT_EQ(drained.at(id).pcs, (std::vector<uint64_t>{1, 2, 3}));
}

// The whole protocol, with the live set: hooks add stacks and insert samples that carry the raw id; a collector drains,
// gives each sample its final trace, and only then lets the raw ids be used again. A sample's size names its stack, so
// a raw id that was drained too early, too late or twice shows as a sample with a wrong trace.
TEST(TraceTable, EverySampleIsGivenTheTraceOfItsOwnStackWhileThreadsGoOnAdding) {
  TraceTable& table = EmptyTable();
  static LiveSet live;
  ASSERT_TRUE(live.Start());
  constexpr int kThreads = 4;
  constexpr uint32_t kSamples = 6000;  // a thread, at least
  constexpr int kFlips = 4;            // at least, which take longer on a busy machine
  constexpr uint64_t kStacks = 300;
  const auto stack_of = [](uint64_t number, uint64_t* pcs) {
    const uint16_t frames = static_cast<uint16_t>(1 + number % 30);
    for (uint16_t i = 0; i < frames; i++) pcs[i] = number * 1000 + i;
    return frames;
  };
  std::atomic<int> running{kThreads};
  std::atomic<int> flips{0};
  std::atomic<uint64_t> added{0};
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int t = 0; t < kThreads; t++) {
    threads.emplace_back([&, t] {
      uint64_t rng = SeedFor(t, 6);
      for (uint32_t i = 0; i < kSamples || (flips < kFlips && i < 100 * kSamples); i++) {
        const uint64_t number = NextRandom(rng) % kStacks;
        uint64_t pcs[32];
        const uint16_t frames = stack_of(number, pcs);
        const TraceTable::Ticket ticket = table.Begin();
        const uint32_t id = table.Add(ticket, {pcs, frames, 0, 0, 0}, number + 1, 1);
        if (id != TraceTable::kNone) {
          added++;
          const uint64_t address = (static_cast<uint64_t>(t + 1) << 32) + uint64_t{16} * i;
          live.Insert({address, number + 1, id, 1, 0, 0});
        }
        table.End(ticket);
      }
      running--;
    });
  }

  uint64_t drained = 0;
  int wrong = 0;
  const auto collect = [&] {
    if (!table.Flip(1)) return;
    flips++;
    std::map<uint32_t, uint64_t> stack_by_id;
    table.ForEachDrained([&](uint32_t id, const TraceKey& key, const TraceSums& sums) {
      const uint64_t number = key.pcs[0] / 1000;
      uint64_t expected[32];
      if (key.frames != stack_of(number, expected)) wrong++;
      for (uint16_t i = 0; i < key.frames; i++) {
        if (key.pcs[i] != number * 1000 + i) wrong++;
      }
      if (sums.bytes != static_cast<double>(sums.samples * (number + 1))) wrong++;
      drained += sums.samples;
      stack_by_id[id] = number;
    });
    live.ForEach([&](LiveSample& sample) {
      const auto found = stack_by_id.find(sample.trace);
      if (found != stack_by_id.end()) sample.trace = static_cast<uint32_t>(found->second);
    });
    table.ClearDrained();
  };
  while (running > 0) collect();
  for (std::thread& thread : threads) thread.join();
  collect();
  collect();
  EXPECT_EQ(wrong, 0);
  EXPECT_GE(flips, kFlips);
  EXPECT_EQ(drained, added);
  EXPECT_GT(live.Size(), kSamples);
  live.ForEach([&](LiveSample& sample) {
    if (sample.trace != sample.size - 1) wrong++;
  });
  EXPECT_EQ(wrong, 0) << "samples whose trace is not that of their stack";
  live.Clear();
}

}  // namespace
}  // namespace tidemark
