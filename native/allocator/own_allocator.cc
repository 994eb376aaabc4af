#include "allocator/own_allocator.h"

#include <dlfcn.h>

namespace tidemark {
namespace {

// Where the object that defines `symbol` begins; null where there is none.
const void* ObjectOf(const char* symbol) noexcept {
  void* address = FindSymbol(symbol);
  Dl_info info = {};
  return address != nullptr && dladdr(address, &info) != 0 ? info.dli_fbase : nullptr;
}

// Whether the object that defines `symbol` provides the process's malloc.
bool ProvidesMalloc(const char* symbol) noexcept {
  const void* object = ObjectOf(symbol);
  if (object == nullptr) return false;
  for (const char* function : {"malloc", "free", "malloc_usable_size", "posix_memalign"}) {
    if (ObjectOf(function) == object) return true;
  }
  return false;
}

Allocator FindOut() noexcept {
  if (ProvidesMalloc("mallctl")) return Allocator::kJemalloc;
  if (ProvidesMalloc("mi_version")) return Allocator::kMimalloc;
  // gperftools' and Google's.
  for (const char* name : {"MallocExtension_GetNumericProperty", "MallocExtension_Internal_GetNumericProperty"}) {
    if (ProvidesMalloc(name)) return Allocator::kTcmalloc;
  }
  if (!ProvidesMalloc("__libc_start_main")) return Allocator::kUnknown;
  return FindSymbol("gnu_get_libc_version") != nullptr ? Allocator::kGlibc : Allocator::kMusl;
}

}  // namespace

Allocator OwnAllocator() noexcept {
  static const Allocator allocator = FindOut();
  return allocator;
}

void* FindSymbol(const char* name) noexcept { return dlsym(RTLD_DEFAULT, name); }

}  // namespace tidemark
