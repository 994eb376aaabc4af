// What the hooks of all threads share: whether samples are taken, how often, and where they go.
//
// One per process and never destroyed: a thread may be inside a hook while sampling is stopped, so what it uses stays
// mapped, and a new session uses it again.
#pragma once

#include <time.h>

#include <atomic>
#include <cstdint>

#include "sampling/live_set.h"
#include "sampling/trace_table.h"

namespace tidemark {

// Flags of a trace.
enum TraceFlags : uint16_t {
  kTracePartial = 1,    // frames are missing between the native part and the JavaScript part, or below the last one
  kTraceTruncated = 2,  // deeper than kMaxFrames
};

struct SamplingSession {
  // Mean bytes between samples; 0 while no samples are taken.
  std::atomic<uint32_t> interval;
  std::atomic<uint64_t> started_nanos;  // SessionClockNanos()
  std::atomic<uint32_t> next_id;
  LiveSet live;
  TraceTable traces;

  // Set, and waited for as a futex, when the collector should drain before its time.
  std::atomic<uint32_t> wake;

  // Stacks deeper than kMaxFrames, stacks with frames missing, and how often V8 was asked for what was missing.
  std::atomic<uint64_t> truncated;
  std::atomic<uint64_t> partial;
  std::atomic<uint64_t> js_fallbacks;

  // Three quarters: the collector thins it then.
  bool LiveNearlyFull() const noexcept { return live.Size() >= live.Capacity() - live.Capacity() / 4; }
};

extern SamplingSession g_sampling __attribute__((visibility("hidden")));

// The clock of a session: of the last timer tick, a few ms ago. Samples are dated by tenths of a second, and the exact
// clock costs 40 ns more. Never mixed with that one: it may be behind it.
inline uint64_t SessionClockNanos() noexcept {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

void WakeCollector() noexcept;

}  // namespace tidemark
