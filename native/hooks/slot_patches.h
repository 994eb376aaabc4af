// Puts the hooks into the slots of every loaded object, and takes them out again.
//
// A slot is overwritten only when what it holds is the real function, or, in a JUMP_SLOT that is bound lazily, the
// object's own stub: an object that brings its own malloc keeps it. Pages that are not writable are made so for the
// moment and put back as /proc/self/maps says they were; where the kernel refuses (a sealed mapping), that object is
// left alone and reported. All of it runs under the loader's lock, so that no object goes while its slots are read. But
// one may come: it is on the loader's list before it is relocated, and its RELRO part, writable until then, is closed
// with no lock held. An object whose RELRO part is writable is therefore left for the next look: a store that meets the
// closing of its page would end the process, and did.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tidemark {

struct PatchCoverage {
  uint32_t objects = 0;  // with at least one slot patched
  uint32_t slots = 0;
  uint32_t jump_slots = 0;
  uint32_t glob_dats = 0;
  uint32_t absolutes = 0;
  uint32_t refused = 0;    // slots on pages that could not be made writable
  uint32_t foreign = 0;    // slots that hold another function than the real one
  uint64_t nanos = 0;      // the longest pass
  bool operators = false;  // operator new and delete are hooked as well
};

class SlotPatches {
 public:
  // Patches what is loaded now and has not been patched yet. 0 or an errno; on ENOSYS there is no real malloc to be
  // found and nothing was touched. Also the way to look at what was loaded since.
  static int Apply() noexcept;
  // The same when nobody else is at it. False: not all is patched, because somebody else is at it and will look again,
  // because an object was just being loaded, or because of what Apply() would have said.
  static bool TryApply() noexcept;
  // Puts every slot back. Those that somebody else has overwritten since are left as they are.
  static void Remove() noexcept;

  static PatchCoverage Coverage() noexcept;
  // The object that provides malloc, and the first few objects that could not be patched, with the reason. Visits are
  // made under a lock: copy what is to be kept.
  using VisitProblem = void (*)(void* context, std::string_view object, std::string_view reason);
  static void Problems(VisitProblem visit, void* context) noexcept;
  static size_t Provider(char* out, size_t capacity) noexcept;
};

}  // namespace tidemark
