// The objects whose code was seen in stacks, under numbers that last: a library that is unloaded keeps its number and
// its name, and one that is loaded again has the number that it had, wherever it comes to lie. A service that loads and
// unloads one all day would otherwise make a list without end.
//
// Stacks are taken over some time after they were taken, and what a stack holds are addresses. So a place whose code is
// gone still means that code until every stack of before has been taken over (Settle); and where other code has come
// to lie meanwhile, an address means nothing until then: it may be the one's or the other's.
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
  uint64_t bias;  // these three: where it was last
  uint64_t start, end;
  uint64_t text_start, text_end;  // link-time addresses
  uint32_t path;
  uint8_t kind;  // ObjectKind
  bool own;      // tidemark's own code
  uint8_t build_id_size;
  uint8_t build_id[kBuildIdBytes];
};

class LoadedModules {
 public:
  // Objects that differ; what comes after them has no number, and its code is unknown.
  static constexpr size_t kMaxModules = 4096;

  // Takes over what is loaded now. False when memory has run out; everything is unknown then, until the next Update.
  bool Update(const ObjectList& list) noexcept;

  // All stacks that were taken before the last Update have been taken over.
  void Settle() noexcept;

  // Forgets all modules: nothing must refer to them any more.
  void Clear() noexcept { *this = LoadedModules(); }

  // The number of the module whose code holds `pc`, and the link-time address there; kNone for JIT code, and where it
  // cannot be told.
  static constexpr uint32_t kNone = UINT32_MAX;
  uint32_t Find(uint64_t pc, uint64_t& address) const noexcept;

  const LoadedModule& At(uint32_t number) const noexcept { return modules_[number]; }
  std::string_view PathOf(uint32_t number) const noexcept { return paths_.At(modules_[number].path); }
  uint32_t Count() const noexcept { return static_cast<uint32_t>(modules_.size()); }
  uint64_t Changes() const noexcept { return changes_; }

 private:
  // Where a module's code lies or lay.
  struct Place {
    uint64_t start;
    uint64_t end;
    uint64_t bias;
    uint32_t module;
    bool loaded;
    bool contested;  // other code lay there shortly before
  };

  uint32_t NumberOf(const LoadedObject& object, uint32_t path) noexcept;
  bool AddGone(MappedArray<Place>& places, size_t loaded) noexcept;

  KeptArray<LoadedModule> modules_;
  KeptArray<Place> places_;  // sorted, apart from each other
  KeptStringTable paths_;
  uint64_t changes_ = 0;
};

}  // namespace tidemark
