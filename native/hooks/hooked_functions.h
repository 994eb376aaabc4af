// The allocation functions that are hooked, and where each really is.
//
// The real functions come from this object's own JUMP_SLOTs, never from `&malloc` or dlsym: in a non-PIE Node those
// give Node's PLT stub, whose slot is patched, so the hook would call itself until the stack ends. The loader resolves
// a JUMP_SLOT past such stubs, binds it at load time (-z now), and our own slots are never patched.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tidemark {

// The C++ operators at the end are hooked only where they do not lead to malloc: libstdc++'s call the malloc slot that
// is patched already, those of a preloaded jemalloc, mimalloc or tcmalloc allocate by themselves.
#define TIDEMARK_HOOKED_FUNCTIONS(X)               \
  X(kMalloc, "malloc")                             \
  X(kFree, "free")                                 \
  X(kCalloc, "calloc")                             \
  X(kRealloc, "realloc")                           \
  X(kReallocarray, "reallocarray")                 \
  X(kPosixMemalign, "posix_memalign")              \
  X(kAlignedAlloc, "aligned_alloc")                \
  X(kMemalign, "memalign")                         \
  X(kValloc, "valloc")                             \
  X(kPvalloc, "pvalloc")                           \
  X(kDlopen, "dlopen")                             \
  X(kNew, "_Znwm")                                 \
  X(kNewArray, "_Znam")                            \
  X(kNewNothrow, "_ZnwmRKSt9nothrow_t")            \
  X(kNewArrayNothrow, "_ZnamRKSt9nothrow_t")       \
  X(kNewAligned, "_ZnwmSt11align_val_t")           \
  X(kNewArrayAligned, "_ZnamSt11align_val_t")      \
  X(kDelete, "_ZdlPv")                             \
  X(kDeleteArray, "_ZdaPv")                        \
  X(kDeleteSized, "_ZdlPvm")                       \
  X(kDeleteArraySized, "_ZdaPvm")                  \
  X(kDeleteNothrow, "_ZdlPvRKSt9nothrow_t")        \
  X(kDeleteArrayNothrow, "_ZdaPvRKSt9nothrow_t")   \
  X(kDeleteAligned, "_ZdlPvSt11align_val_t")       \
  X(kDeleteArrayAligned, "_ZdaPvSt11align_val_t")  \
  X(kDeleteSizedAligned, "_ZdlPvmSt11align_val_t") \
  X(kDeleteArraySizedAligned, "_ZdaPvmSt11align_val_t")

enum Hooked : int {
#define X(name, symbol) name,
  TIDEMARK_HOOKED_FUNCTIONS(X)
#undef X
      kHookedCount
};

constexpr int kFirstOperator = kNew;

// The functions as they would be called without us; 0 where the C library has no such function.
// Filled once by FindRealFunctions, before anything is patched.
struct RealFunctions {
  void* (*malloc)(size_t);
  void (*free)(void*);
  void* (*calloc)(size_t, size_t);
  void* (*realloc)(void*, size_t);
  void* (*reallocarray)(void*, size_t, size_t);
  int (*posix_memalign)(void**, size_t, size_t);
  void* (*aligned_alloc)(size_t, size_t);
  void* (*memalign)(size_t, size_t);
  void* (*valloc)(size_t);
  void* (*pvalloc)(size_t);
  void* (*dlopen)(const char*, int);
  void* (*new_one)(size_t);
  void* (*new_array)(size_t);
  void* (*new_one_nothrow)(size_t, const void*);
  void* (*new_array_nothrow)(size_t, const void*);
  void* (*new_one_aligned)(size_t, size_t);
  void* (*new_array_aligned)(size_t, size_t);
  void (*delete_one)(void*);
  void (*delete_array)(void*);
  void (*delete_one_sized)(void*, size_t);
  void (*delete_array_sized)(void*, size_t);
  void (*delete_one_nothrow)(void*, const void*);
  void (*delete_array_nothrow)(void*, const void*);
  void (*delete_one_aligned)(void*, size_t);
  void (*delete_array_aligned)(void*, size_t);
  void (*delete_one_sized_aligned)(void*, size_t, size_t);
  void (*delete_array_sized_aligned)(void*, size_t, size_t);

  uintptr_t Address(int function) const noexcept { return reinterpret_cast<const uintptr_t*>(this)[function]; }
  void Set(int function, uintptr_t address) noexcept { reinterpret_cast<uintptr_t*>(this)[function] = address; }
};
static_assert(sizeof(RealFunctions) == kHookedCount * sizeof(uintptr_t));

extern RealFunctions g_real __attribute__((visibility("hidden")));  // reached without the GOT

// The number of the hooked function that `symbol` names; -1 for any other.
int HookedFunction(const char* symbol) noexcept;

// Reads this object's own slots into g_real. Not 0, and nothing may be patched: ENOSYS when malloc and its kin are not
// there, ENOMEM. Not in a hook.
int FindRealFunctions() noexcept;

}  // namespace tidemark
