// The two ways in which Rust writes the path of a function into a symbol. No C++ runtime reads them.
//
// Legacy (`_ZN...17h<hash>E`) passes for C++, with what C++ cannot say escaped; v0 (`_R...`) is a grammar of its own.
// Libraries hold both: since 1.87 the allocator's entry points, which stand in every stack of an allocation, are v0
// even where the rest is legacy.
// Sources: rustc symbol_mangling/legacy.rs; Rust RFC 2603.
#pragma once

#include <string_view>

#include "elf/name_output.h"

namespace tidemark {

// Each puts the path without hash and crate ids, and returns whether the symbol was one of its kind; when not, what was
// put is to be taken back.
bool PutLegacyRust(std::string_view symbol, NameOutput& output) noexcept;
bool PutRustV0(std::string_view symbol, NameOutput& output) noexcept;

}  // namespace tidemark
