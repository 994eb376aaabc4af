// Names of native frames, found when a profile is asked for and kept for the next one: reading Node's 200,000 symbols
// takes tens of milliseconds, and most frames of a profile were in the one before.
//
// For pool threads; not locked: the collector's mutex covers it.
#pragma once

#include <cstdint>
#include <utility>

#include "base/mapped_array.h"
#include "base/string_table.h"
#include "profile/loaded_modules.h"
#include "profile/stack_store.h"

namespace tidemark {

class NativeNames {
 public:
  struct Named {
    uint32_t name;   // in Strings(); kNoName: the file knows no function there, or could not be read
    uint64_t start;  // link-time address of the function
  };

  // Names every native frame that was not here the last time. False when memory has run out, and there is no name for
  // some frames; those that could not be kept alone have none.
  bool Update(const KeptArray<StoredFrame>& frames, const LoadedModules& modules) noexcept;

  // When frames are numbered anew: what `before` knows of a frame, under its new number, and then what is to be kept.
  // New numbers come in order, each as often as it likes.
  void Take(const NativeNames& before, uint32_t old_number, uint32_t new_number) noexcept {
    if (new_number != named_.size() || old_number >= before.named_.size()) return;
    if (Named* named = named_.Append()) *named = before.named_[old_number];
  }
  void Keep(NativeNames&& renumbered) noexcept { named_ = std::move(renumbered.named_); }

  const Named& Of(uint32_t frame) const noexcept { return named_[frame]; }
  const KeptStringTable& Strings() const noexcept { return strings_; }
  void Clear() noexcept { *this = NativeNames(); }

 private:
  KeptArray<Named> named_;  // by frame number
  KeptStringTable strings_;
};

}  // namespace tidemark
