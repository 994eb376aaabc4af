#include "addon/machine.h"

#include <string>

#include "addon/thread_data.h"
#include "allocator/allocator_counters.h"
#include "base/own_mapping.h"
#include "proc/residency.h"
#include "proc/statm.h"

namespace tidemark {
namespace {

// glibc's struct mallinfo2, declared here because the headers of older glibc (and of musl) do not have it.
struct Mallinfo2 {
  size_t arena, ordblks, smblks, hblks, hblkhd, usmblks, fsmblks, uordblks, fordblks, keepcost;
};

using VersionFunction = const char* (*)();

VersionFunction GlibcVersion() noexcept { return Find<VersionFunction>("gnu_get_libc_version"); }

Napi::Value Capabilities(const Napi::CallbackInfo& info) {
  Napi::Object result = Napi::Object::New(info.Env());
  const VersionFunction version = GlibcVersion();
  result.Set("pagemapScan", HasPagemapScan());
  result.Set("libc", version != nullptr ? std::string("glibc ") + version() : std::string("musl"));
  const Allocator allocator = OwnAllocator();
  const AllocatorFacts& facts = FactsOf(allocator);
  result.Set("allocator", NameOf(allocator));
  result.Set("allocatorAsked", facts.asked);
  result.Set("allocatorConfidence", facts.confidence);
  result.Set("allocatorWhy", facts.why);
  result.Set("allocatorRelease", facts.release);
  result.Set("pageSize", static_cast<double>(PageSize()));
  result.Set("wipeOnFork", KeepsDescriptor());
  return result;
}

}  // namespace

bool ReadMallocInfo(MallocInfo& info) noexcept {
  static const auto mallinfo2 = Find<Mallinfo2 (*)()>("mallinfo2");
  if (mallinfo2 == nullptr || OwnAllocator() != Allocator::kGlibc) return false;
  const Mallinfo2 m = mallinfo2();
  info.in_use = static_cast<double>(m.uordblks + m.hblkhd);
  info.free = static_cast<double>(m.fordblks);
  info.arenas = static_cast<double>(m.arena);
  info.mapped = static_cast<double>(m.hblkhd);
  return true;
}

void ExportMachine(Napi::Env env, Napi::Object exports) {
  exports.Set("capabilities", Napi::Function::New(env, Capabilities, "capabilities"));
}

}  // namespace tidemark
