#include "profile/native_names.h"

#include "elf/demangle.h"
#include "elf/symbol_table.h"

namespace tidemark {
namespace {

constexpr uint32_t kPending = kNoName - 1;
constexpr size_t kMaxNameLength = 512;

}  // namespace

bool NativeNames::Update(const KeptArray<StoredFrame>& frames, const LoadedModules& modules) noexcept {
  const size_t known = named_.size();
  if (frames.size() == known) return true;
  Named* fresh = named_.Append(frames.size() - known);
  if (fresh == nullptr) return false;
  for (size_t i = known; i < frames.size(); i++) {
    named_[i] = {frames[i].kind == FrameKind::kNative ? kPending : kNoName, 0};
  }
  // A module at a time: one table in memory at once.
  for (uint32_t module = 0; module < modules.Count(); module++) {
    SymbolTable table;
    bool opened = false;
    bool usable = false;
    for (size_t i = known; i < frames.size(); i++) {
      if (named_[i].name != kPending || frames[i].source != module) continue;
      named_[i].name = kNoName;
      if (!opened) {
        opened = true;
        const LoadedModule& m = modules.At(module);
        char path[4096];
        const std::string_view from =
            m.kind == kExecutable ? std::string_view("/proc/self/exe") : modules.PathOf(module);
        if (from.size() < sizeof path) {
          std::memcpy(path, from.data(), from.size());
          path[from.size()] = '\0';
          usable = table.Open(path, m.build_id, m.build_id_size) == 0;
        }
      }
      std::string_view symbol;
      uint64_t start = 0;
      if (!usable || !table.Find(frames[i].offset, symbol, start)) continue;
      char text[kMaxNameLength];
      const size_t length = Demangle(symbol, text, sizeof text);
      const uint32_t name = strings_.Intern({text, length});
      // Nameless then, and never asked for again: the numbers of names are read without a look.
      if (name != KeptStringTable::kFull) named_[i] = {name, start};
    }
  }
  return true;
}

}  // namespace tidemark
