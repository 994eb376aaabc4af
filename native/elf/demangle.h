// Names of functions as people say them.
//
// A profile is read by eye and folded by name: `std::vector<Row, ...>::push_back` says what a 300-character
// instantiation with its parameter and return types says, and the parts that the compiler split from a function
// (`.cold`, `.part.0`) are that function. C++ goes through the C++ runtime's own demangler, whose text is shortened;
// Rust is read in rust_symbol.h.
// Source: Itanium C++ ABI 5.1.
#pragma once

#include <cstddef>
#include <string_view>

namespace tidemark {

// Template arguments longer than this are cut after the last that fits, and `...` stands for the rest.
constexpr size_t kMaxTemplateChars = 60;

// Writes the name of a mangled C++ or Rust symbol to `out`, cut at `capacity`; a symbol that is not mangled, or
// cannot be read, comes back as it is. Returns the bytes written; no NUL follows. Uses malloc (__cxa_demangle): never
// inside a hook.
size_t Demangle(std::string_view symbol, char* out, size_t capacity) noexcept;

// The second half of it: what a C++ demangler printed, without return type, parameters and qualifiers.
size_t ShortenName(std::string_view demangled, char* out, size_t capacity) noexcept;

}  // namespace tidemark
