// Keeps each distinct string once and gives it a small number: 20,000 mappings have a few hundred names.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/mapped_array.h"

namespace tidemark {

template <class Memory>
class BasicStringTable {
 public:
  static constexpr uint32_t kFull = UINT32_MAX;

  // The number of `s`, from 0 in order of first appearance; kFull when memory has run out.
  uint32_t Intern(std::string_view s) noexcept {
    // Neighbouring mappings mostly share name and flags.
    if (last_ < entries_.size() && At(last_) == s) return last_;
    if ((entries_.size() + 1) * 2 > slots_.size() && !Rehash()) return kFull;
    uint32_t* slot = Find(s);
    if (*slot == 0) {
      const size_t offset = text_.size();
      char* copy = text_.Append(s.size());
      if (copy == nullptr) return kFull;
      Entry* entry = entries_.Append();
      if (entry == nullptr) return kFull;
      if (!s.empty()) std::memcpy(copy, s.data(), s.size());
      *entry = {offset, s.size()};
      *slot = static_cast<uint32_t>(entries_.size());
    }
    last_ = *slot - 1;
    return last_;
  }

  // The number of `s`; kFull when it is not there.
  uint32_t Lookup(std::string_view s) noexcept {
    const uint32_t* slot = slots_.size() == 0 ? nullptr : Find(s);
    return slot == nullptr || *slot == 0 ? kFull : *slot - 1;
  }

  size_t size() const noexcept { return entries_.size(); }
  std::string_view At(size_t i) const noexcept { return {text_.data() + entries_[i].offset, entries_[i].length}; }

 private:
  struct Entry {
    size_t offset;
    size_t length;
  };

  static uint64_t Hash(std::string_view s) noexcept {
    uint64_t h = 0xcbf29ce484222325;  // FNV-1a
    for (const char c : s) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    return h ^ (h >> 32);
  }

  // The slot that holds `s`, or the empty one where it belongs. Slots hold index + 1.
  uint32_t* Find(std::string_view s) noexcept {
    const size_t mask = slots_.size() - 1;
    for (size_t i = Hash(s) & mask;; i = (i + 1) & mask) {
      if (slots_[i] == 0 || At(slots_[i] - 1) == s) return &slots_[i];
    }
  }

  bool Rehash() noexcept {
    const size_t capacity = slots_.size() == 0 ? 256 : slots_.size() * 2;
    MappedArray<uint32_t, Memory> larger;
    uint32_t* fresh = larger.Append(capacity);
    if (fresh == nullptr) return false;
    std::memset(fresh, 0, capacity * sizeof(uint32_t));
    slots_ = std::move(larger);
    for (size_t i = 0; i < entries_.size(); i++) *Find(At(i)) = static_cast<uint32_t>(i + 1);
    return true;
  }

  MappedArray<char, Memory> text_;
  MappedArray<Entry, Memory> entries_;
  MappedArray<uint32_t, Memory> slots_;
  uint32_t last_ = 0;
};

using StringTable = BasicStringTable<Scratch>;         // for the length of one reading
using KeptStringTable = BasicStringTable<OwnMapping>;  // for as long as the profiler runs

}  // namespace tidemark
