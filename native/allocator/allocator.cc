#include "allocator/allocator.h"

#include <string_view>

namespace tidemark {
namespace {

bool StartsWith(std::string_view s, std::string_view prefix) noexcept { return s.substr(0, prefix.size()) == prefix; }

// Whether a file is that library in any of its variants: libmimalloc-secure.so.2, libtcmalloc_minimal.so.4.
bool IsLibrary(std::string_view file, std::string_view library) noexcept {
  if (!StartsWith(file, library) || file.size() == library.size()) return false;
  const char next = file[library.size()];
  return (next == '.' || next == '-' || next == '_') && file.find(".so") != std::string_view::npos;
}

// kUnknown for a mapping that says nothing.
Allocator OfMapping(std::string_view name) noexcept {
  const size_t slash = name.rfind('/');
  if (slash == std::string_view::npos) return Allocator::kUnknown;  // [heap] and the like
  const std::string_view file = name.substr(slash + 1);
  if (IsLibrary(file, "libjemalloc")) return Allocator::kJemalloc;
  if (IsLibrary(file, "libmimalloc")) return Allocator::kMimalloc;
  if (IsLibrary(file, "libtcmalloc")) return Allocator::kTcmalloc;
  if (StartsWith(file, "ld-musl-")) return Allocator::kMusl;  // musl's loader is its C library
  // The second is glibc before 2.34.
  if (StartsWith(file, "libc.so.6") || StartsWith(file, "libc-2.")) return Allocator::kGlibc;
  return Allocator::kUnknown;
}

}  // namespace

const char* NameOf(Allocator allocator) noexcept {
  switch (allocator) {
    case Allocator::kGlibc:
      return "glibc";
    case Allocator::kMusl:
      return "musl";
    case Allocator::kJemalloc:
      return "jemalloc";
    case Allocator::kMimalloc:
      return "mimalloc";
    case Allocator::kTcmalloc:
      return "tcmalloc";
    case Allocator::kUnknown:
      break;
  }
  return "unknown";
}

Allocator AllocatorFromMappings(const StringTable& names) noexcept {
  Allocator libc = Allocator::kUnknown;
  Allocator other = Allocator::kUnknown;
  for (size_t i = 0; i < names.size(); i++) {
    const Allocator found = OfMapping(names.At(i));
    if (found == Allocator::kUnknown) continue;
    Allocator& before = found == Allocator::kGlibc || found == Allocator::kMusl ? libc : other;
    if (before != Allocator::kUnknown && before != found) return Allocator::kUnknown;
    before = found;
  }
  return other != Allocator::kUnknown ? other : libc;
}

}  // namespace tidemark
