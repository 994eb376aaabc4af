// Any bytes as a stack and registers, over the tables of this very process. Nothing outside the stack may be read, the
// walk must end, and it may not give more frames than there is room for.
//
// Bytes alone hardly ever make an address that leads on, so each word's lowest bits say what it means: an address on
// the stack, one in code that has a table, one in code that nobody knows, or what it is.

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "stack/interpreter_frames.h"
#include "stack/unwind_table.h"
#include "stack/walk.h"

using namespace tidemark;

static constexpr uint64_t kJit = 0x10'0000'0000;

static bool MakeTables() {
  ObjectList list;
  if (!ListObjects(list)) return false;
  for (LoadedObject& object : list.objects) {
    if (object.kind == kExecutable) object.kind = kLibrary;
  }
  AddInterpreterRange(kJit + 0x1000, kJit + 0x2000);
  return RefreshUnwindTables(list);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const bool made = MakeTables();
  if (!made) abort();
  constexpr size_t kWords = 5;  // pc, sp, fp, capacity, and what lies on the stack at least
  if (size < kWords * sizeof(uint64_t)) return 0;
  std::vector<uint64_t> words(size / sizeof(uint64_t));
  std::memcpy(words.data(), data, words.size() * sizeof(uint64_t));
  std::vector<uint64_t> stack(words.size() - kWords + 1);
  const auto base = reinterpret_cast<uint64_t>(stack.data());
  const uint64_t bytes = stack.size() * sizeof(uint64_t);
  const auto meaning = [&](uint64_t word) -> uint64_t {
    const uint64_t value = word >> 3;
    switch (word & 7) {
      case 0:
      case 1:
        return base + value % (bytes / 8 + 2) * 8;
      case 2:
        return base + value % (bytes + 16);
      case 3:
        return reinterpret_cast<uint64_t>(&qsort) + value % (1 << 20);
      case 4:
        return reinterpret_cast<uint64_t>(&MakeTables) + value % (1 << 16);
      case 5:
        return kJit + value % 0x4000;
      case 6:
        return value << 32;
      default:
        return word;
    }
  };
  for (size_t i = 0; i < stack.size(); i++) stack[i] = meaning(words[kWords - 1 + i]);
  const size_t capacity = 1 + words[3] % kMaxFrames;
  std::vector<uint64_t> pcs(capacity);
  const Registers from = {meaning(words[0]), base + words[1] % (bytes + 1), meaning(words[2])};
  const Walk walk = WalkStack(from, base + bytes, pcs.data(), capacity);
  if (walk.frames == 0 || walk.frames > capacity) abort();
  return 0;
}
