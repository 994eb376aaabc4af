// What the hooks keep for each thread.
//
// Trivially destructible, because free() is called after the destructors of thread_local objects have run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "base/static_tls.h"
#include "sampling/poisson.h"
#include "stack/stack_bounds.h"

namespace tidemark {

struct ThreadState {
  Countdown countdown;
  // The word where JavaScript keeps the current region; null where no JavaScript runs.
  const int32_t* region;
  // One more than its number in ThreadNames; 0 until the thread's first sample.
  uint32_t name;
  // A sample is being taken: what it allocates is not sampled.
  bool busy;
  StackBounds stack;
};
static_assert(std::is_trivially_destructible_v<ThreadState>);

extern __thread ThreadState t_state TIDEMARK_STATIC_TLS __attribute__((visibility("hidden")));

}  // namespace tidemark
