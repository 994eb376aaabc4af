#include "profile/stack_store.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace tidemark {
namespace {

StoredFrame Native(uint64_t offset) { return {FrameKind::kNative, 1, kNoName, -1, offset}; }

TEST(StackStore, KeepsEqualFramesAndTracesOnce) {
  StackStore store;
  const uint32_t frames[] = {store.InternFrame(Native(16)), store.InternFrame(Native(32)),
                             store.InternFrame(Native(16))};
  EXPECT_EQ(frames[0], frames[2]);
  EXPECT_NE(frames[0], frames[1]);
  const uint32_t trace = store.InternTrace(frames, 3, 0, 7, 1);
  EXPECT_NE(trace, StackStore::kOverflow);
  EXPECT_EQ(trace, store.InternTrace(frames, 3, 0, 7, 1));
  ASSERT_EQ(store.Stacks().size(), 3u);
  EXPECT_EQ(store.Stacks()[store.Traces()[trace].first + 1], frames[1]);
}

TEST(StackStore, TellsTracesApartByRegionThreadFlagsAndLength) {
  StackStore store;
  const uint32_t frame = store.InternFrame(Native(16));
  const uint32_t frames[] = {frame, frame};
  const uint32_t a = store.InternTrace(frames, 1, 0, 0, 0);
  const uint32_t others[] = {store.InternTrace(frames, 2, 0, 0, 0), store.InternTrace(frames, 1, 1, 0, 0),
                             store.InternTrace(frames, 1, 0, 1, 0), store.InternTrace(frames, 1, 0, 0, 1)};
  for (const uint32_t other : others) EXPECT_NE(a, other);
}

TEST(StackStore, AddsUpWhatATraceAllocated) {
  StackStore store;
  const uint32_t frame = store.InternFrame(Native(16));
  const uint32_t trace = store.InternTrace(&frame, 1, 0, 0, 0);
  store.Add(trace, {1, 100, 2, 200, 1});
  store.Add(trace, {3, 300, 4, 400, 2});
  const TraceSums& sums = store.Traces()[trace].allocated;
  EXPECT_EQ(sums.count, 4);
  EXPECT_EQ(sums.bytes, 400);
  EXPECT_EQ(sums.count_variance, 6);
  EXPECT_EQ(sums.bytes_variance, 600);
  EXPECT_EQ(sums.samples, 3u);
}

TEST(StackStore, PutsWhatHasNoRoomIntoTheTraceWithoutAStack) {
  auto store = std::make_unique<StackStore>();
  const uint32_t frame = store->InternFrame(Native(16));
  bool nearly_full = false;
  for (uint32_t region = 0; region < StackStore::kMaxTraces + 10; region++) {
    const uint32_t trace = store->InternTrace(&frame, 1, 0, region, 0);
    store->Add(trace, {1, 1, 0, 0, 1});
    nearly_full = store->NearlyFull();
    if (region == StackStore::kMaxTraces / 2) {
      EXPECT_FALSE(nearly_full);
    }
  }
  EXPECT_TRUE(nearly_full);
  EXPECT_EQ(store->Traces().size(), StackStore::kMaxTraces);
  EXPECT_EQ(store->Traces()[StackStore::kOverflow].frames, 0u);
  // One place is its own.
  EXPECT_EQ(store->Traces()[StackStore::kOverflow].allocated.samples, 11u);
}

TEST(StackStore, RefusesFramesBeyondItsLimitAndKeepsTheOldOnes) {
  auto store = std::make_unique<StackStore>();
  for (uint64_t i = 0; i < StackStore::kMaxStoredFrames; i++) ASSERT_NE(store->InternFrame(Native(i)), kNoName);
  EXPECT_EQ(store->InternFrame(Native(1u << 30)), kNoName);
  EXPECT_EQ(store->InternFrame(Native(5)), 5u);
}

TEST(StackStore, IsEmptyAfterClear) {
  StackStore store;
  const uint32_t frame = store.InternFrame(Native(16));
  store.InternTrace(&frame, 1, 0, 0, 0);
  store.Clear();
  EXPECT_EQ(store.Frames().size(), 0u);
  EXPECT_EQ(store.Traces().size(), 0u);
  EXPECT_EQ(store.InternFrame(Native(99)), 0u);
}

}  // namespace
}  // namespace tidemark
