#include "hooks/thread_names.h"

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstring>

namespace tidemark {
namespace {

struct Entry {
  std::atomic<uint32_t> length;  // 0 while it is being written; published with release
  char text[ThreadNames::kMaxLength];
};

constexpr std::string_view kFixed[] = {"", "main", "other threads"};
constexpr uint32_t kFixedCount = sizeof kFixed / sizeof *kFixed;

Entry g_names[ThreadNames::kCapacity];
std::atomic<uint32_t> g_claimed{0};

bool NameOf(char (&name)[16]) noexcept { return prctl(PR_GET_NAME, name) == 0; }

}  // namespace

uint32_t ThreadNames::Intern(std::string_view name) noexcept {
  name = name.substr(0, kMaxLength);
  if (name.empty()) return kUnnamed;
  for (uint32_t i = 0; i < kFixedCount; i++) {
    if (kFixed[i] == name) return i;
  }
  const uint32_t count = Count();
  for (uint32_t i = kFixedCount; i < count; i++) {
    if (At(i) == name) return i;
  }
  // Two threads may enter the same new name at once; the profile adds equal names up.
  const uint32_t slot = g_claimed.fetch_add(1);
  if (slot >= kCapacity - kFixedCount) {
    g_claimed.store(kCapacity - kFixedCount);
    return kOther;
  }
  Entry& entry = g_names[slot];
  std::memcpy(entry.text, name.data(), name.size());
  entry.length.store(static_cast<uint32_t>(name.size()), std::memory_order_release);
  return slot + kFixedCount;
}

uint32_t ThreadNames::OfThisThread() noexcept {
  const auto pid = static_cast<long>(getpid());
  if (syscall(SYS_gettid) == pid) return kMain;
  char name[16] = {};
  if (!NameOf(name)) return kUnnamed;
  // Threads inherit the name of the one that starts them: what is called like Node itself has no name of its own.
  if (std::strcmp(name, "node") == 0 || std::strcmp(name, "MainThread") == 0) return kUnnamed;
  return Intern(name);
}

uint32_t ThreadNames::Count() noexcept {
  const uint32_t claimed = g_claimed.load();
  return kFixedCount + (claimed < kCapacity - kFixedCount ? claimed : kCapacity - kFixedCount);
}

std::string_view ThreadNames::At(uint32_t number) noexcept {
  if (number < kFixedCount) return kFixed[number];
  const Entry& entry = g_names[number - kFixedCount];
  return {entry.text, entry.length.load(std::memory_order_acquire)};
}

}  // namespace tidemark
