#include "allocator/jemalloc.h"

#include <cerrno>
#include <cstdint>

namespace tidemark {
namespace {

// 4096 is MALLCTL_ARENAS_ALL: a number that stands for the sum over all arenas, or for all of them.
constexpr char kDirtyPages[] = "stats.arenas.4096.pdirty";
constexpr char kMuzzyPages[] = "stats.arenas.4096.pmuzzy";
constexpr char kPurge[] = "arena.4096.purge";

double Read(Mallctl mallctl, const char* name) noexcept {
  size_t value = 0;
  size_t size = sizeof value;
  if (mallctl(name, &value, &size, nullptr, 0) != 0 || size != sizeof value) return NAN;
  return static_cast<double>(value);
}

// The statistics are a copy, made anew when the epoch is written.
bool Refresh(Mallctl mallctl) noexcept {
  uint64_t epoch = 1;
  return mallctl("epoch", nullptr, nullptr, &epoch, sizeof epoch) == 0;
}

}  // namespace

Mallctl FindJemalloc() noexcept {
  static const auto mallctl = Find<Mallctl>("mallctl");
  return mallctl;
}

bool ReadJemalloc(Mallctl mallctl, AllocatorCounters& counters) noexcept {
  counters = {};
  if (mallctl == nullptr || !Refresh(mallctl)) return false;
  counters.live = Read(mallctl, "stats.allocated");
  counters.metadata = Read(mallctl, "stats.metadata");
  counters.resident = Read(mallctl, "stats.resident");
  counters.releasable = (Read(mallctl, kDirtyPages) + Read(mallctl, kMuzzyPages)) * Read(mallctl, "arenas.page");
  counters.free = NotNegative(counters.resident - counters.live - counters.metadata);
  return !std::isnan(counters.live);
}

int ReleaseJemalloc(Mallctl mallctl) noexcept {
  return mallctl == nullptr ? ENOTSUP : mallctl(kPurge, nullptr, nullptr, nullptr, 0);
}

}  // namespace tidemark
