#include "hooks/hooked_functions.h"

#include <dlfcn.h>
#include <link.h>
#include <malloc.h>
#include <stdlib.h>

#include <cerrno>
#include <cstring>

#include "elf/loaded_objects.h"
#include "elf/relocation_slots.h"

// Each function is mentioned here once, so that the linker gives this object a JUMP_SLOT for it. Weak: musl has no
// pvalloc, and a slot that stays empty is how we learn of it.
extern "C" {
// NOLINTBEGIN: declared as they are used, by address only
void* tm_reallocarray(void*, size_t, size_t) __asm__("reallocarray") __attribute__((weak));
void* tm_memalign(size_t, size_t) __asm__("memalign") __attribute__((weak));
void* tm_valloc(size_t) __asm__("valloc") __attribute__((weak));
void* tm_pvalloc(size_t) __asm__("pvalloc") __attribute__((weak));
#define TIDEMARK_OPERATOR(name, symbol) void* name(...) __asm__(symbol) __attribute__((weak));
TIDEMARK_OPERATOR(tm_new, "_Znwm")
TIDEMARK_OPERATOR(tm_new_array, "_Znam")
TIDEMARK_OPERATOR(tm_new_nothrow, "_ZnwmRKSt9nothrow_t")
TIDEMARK_OPERATOR(tm_new_array_nothrow, "_ZnamRKSt9nothrow_t")
TIDEMARK_OPERATOR(tm_new_aligned, "_ZnwmSt11align_val_t")
TIDEMARK_OPERATOR(tm_new_array_aligned, "_ZnamSt11align_val_t")
TIDEMARK_OPERATOR(tm_delete, "_ZdlPv")
TIDEMARK_OPERATOR(tm_delete_array, "_ZdaPv")
TIDEMARK_OPERATOR(tm_delete_sized, "_ZdlPvm")
TIDEMARK_OPERATOR(tm_delete_array_sized, "_ZdaPvm")
TIDEMARK_OPERATOR(tm_delete_nothrow, "_ZdlPvRKSt9nothrow_t")
TIDEMARK_OPERATOR(tm_delete_array_nothrow, "_ZdaPvRKSt9nothrow_t")
TIDEMARK_OPERATOR(tm_delete_aligned, "_ZdlPvSt11align_val_t")
TIDEMARK_OPERATOR(tm_delete_array_aligned, "_ZdaPvSt11align_val_t")
TIDEMARK_OPERATOR(tm_delete_sized_aligned, "_ZdlPvmSt11align_val_t")
TIDEMARK_OPERATOR(tm_delete_array_sized_aligned, "_ZdaPvmSt11align_val_t")
#undef TIDEMARK_OPERATOR

// Never called.
__attribute__((used, noinline)) void tidemark_mention_allocators(void* p, size_t n) {
  void* volatile sink = malloc(n);
  sink = calloc(n, n);
  sink = realloc(p, n);
  sink = tm_reallocarray(p, n, n);
  sink = aligned_alloc(n, n);
  sink = tm_memalign(n, n);
  sink = tm_valloc(n);
  sink = tm_pvalloc(n);
  sink = dlopen(nullptr, static_cast<int>(n));
  if (posix_memalign(&p, n, n) != 0) free(p);
  tm_new(n);
  tm_new_array(n);
  tm_new_nothrow(n);
  tm_new_array_nothrow(n);
  tm_new_aligned(n);
  tm_new_array_aligned(n);
  tm_delete(p);
  tm_delete_array(p);
  tm_delete_sized(p);
  tm_delete_array_sized(p);
  tm_delete_nothrow(p);
  tm_delete_array_nothrow(p);
  tm_delete_aligned(p);
  tm_delete_array_aligned(p);
  tm_delete_sized_aligned(p);
  tm_delete_array_sized_aligned(p);
  (void)sink;
}
// NOLINTEND
}

namespace tidemark {
namespace {

constexpr const char* kSymbols[kHookedCount] = {
#define X(name, symbol) symbol,
    TIDEMARK_HOOKED_FUNCTIONS(X)
#undef X
};

}  // namespace

RealFunctions g_real;

int HookedFunction(const char* symbol) noexcept {
  // Most of the thousands of names start otherwise: one look at the first letters spares the comparisons.
  switch (symbol[0]) {
    case 'm':
    case 'f':
    case 'c':
    case 'r':
    case 'p':
    case 'a':
    case 'v':
    case 'd':
      for (int i = 0; i < kFirstOperator; i++) {
        if (std::strcmp(symbol, kSymbols[i]) == 0) return i;
      }
      return -1;
    case '_':
      if (symbol[1] != 'Z' || (symbol[2] != 'n' && symbol[2] != 'd')) return -1;
      for (int i = kFirstOperator; i < kHookedCount; i++) {
        if (std::strcmp(symbol, kSymbols[i]) == 0) return i;
      }
      return -1;
    default:
      return -1;
  }
}

int FindRealFunctions() noexcept {
  if (g_real.malloc != nullptr) return 0;
  ObjectList list;
  if (!ListObjects(list)) return ENOMEM;
  const auto here = reinterpret_cast<uint64_t>(&tidemark_mention_allocators);
  RealFunctions found = {};
  for (const LoadedObject& object : list.objects) {
    if (here < object.text_start || here >= object.text_end) continue;
    ForEachSlot(object, [&](const RelocationSlot& slot) {
      const int function = HookedFunction(slot.symbol);
      if (function >= 0 && slot.kind == SlotKind::kJumpSlot) found.Set(function, *slot.address);
    });
  }
  for (const int needed : {kMalloc, kFree, kCalloc, kRealloc, kPosixMemalign, kAlignedAlloc, kDlopen}) {
    if (found.Address(needed) == 0) return ENOSYS;
  }
  g_real = found;
  return 0;
}

}  // namespace tidemark
