// The objects whose code was seen in stacks, under numbers that last: a library that is unloaded keeps its number and
// its name, and frames that were found in it while it was there can still be named.
//
// Not for hooks, and not locked: the collector's mutex covers it.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/mapped_array.h"
#include "base/string_table.h"
#include "elf/loaded_objects.h"

namespace tidemark {

struct LoadedModule {
  uint64_t bias;
  uint64_t start, end;
  uint64_t text_start, text_end;
  uint32_t path;  // in Paths()
  uint8_t kind;   // ObjectKind
  bool loaded;
  bool own;  // tidemark's own code
  uint8_t build_id_size;
  uint8_t build_id[kBuildIdBytes];
};

class LoadedModules {
 public:
  // Takes over what is loaded now. False when memory has run out.
  bool Update(const ObjectList& list) noexcept;

  // The number of the module whose code holds `pc`; kNone for JIT code and anything else.
  static constexpr uint32_t kNone = UINT32_MAX;
  uint32_t Find(uint64_t pc) const noexcept;

  const LoadedModule& At(uint32_t number) const noexcept { return modules_[number]; }
  std::string_view PathOf(uint32_t number) const noexcept { return paths_.At(modules_[number].path); }
  uint32_t Count() const noexcept { return static_cast<uint32_t>(modules_.size()); }
  uint64_t Changes() const noexcept { return changes_; }

 private:
  struct TextRange {
    uint64_t start;
    uint64_t end;
    uint32_t module;
  };

  bool Overlaps(const LoadedModule& module) const noexcept;
  bool AddRange(uint32_t number) noexcept;

  KeptArray<LoadedModule> modules_;
  KeptArray<TextRange> ranges_;  // sorted, apart from each other
  KeptStringTable paths_;
  uint64_t changes_ = 0;
};

}  // namespace tidemark
