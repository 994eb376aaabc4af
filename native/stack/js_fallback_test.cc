#include "stack/js_fallback.h"

#include <gtest/gtest.h>

#include "stack/gc_state.h"
#include "stack/jit_events.h"

namespace tidemark {
namespace {

// What holds with V8 is tested from JavaScript; this is every thread that has none, in a process that has none.
TEST(WithoutV8, ListeningIsUnsupportedAndNothingHappens) {
  EXPECT_EQ(EnableJitEvents(true), JitEvents::kUnsupported);
  EXPECT_EQ(EnableJitEvents(false), JitEvents::kUnsupported);
}

TEST(WithoutV8, AThreadWatchesNoIsolateAndCollectsNothing) {
  WatchIsolateOfThisThread();
  EXPECT_EQ(WatchedIsolate(), nullptr);
  EXPECT_FALSE(InGarbageCollection());
  ForgetIsolateOfThisThread();
  EXPECT_EQ(WatchedIsolate(), nullptr);
}

TEST(WithoutV8, AStackHasNoJavaScriptFrames) {
  uint64_t out[4] = {1, 2, 3, 4};
  EXPECT_EQ(JsFrames({0x1000, 0x2000, 0x3000}, out, 4), 0u);
  EXPECT_EQ(out[0], 1u);
}

}  // namespace
}  // namespace tidemark
