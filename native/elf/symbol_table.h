// Which function an address of a file's code belongs to, from .symtab and .dynsym.
//
// dladdr knows only .dynsym and walks it whole on every call: 144 frames cost 29 ms in Node, 8,000 stacks minutes. Here
// a file's function symbols are sorted once into 16 bytes each. The names stay in the file and are read one by one
// when asked for: a mapped file would end the process with SIGBUS when it is truncated (a deploy that copies over it),
// and 20 MB of Node's symbols are no profiler's to keep.
// Source: ELF gABI "Sections", "Symbol Table".
#pragma once

#include <string_view>

#include "base/mapped_array.h"
#include "base/unique_fd.h"

namespace tidemark {

class SymbolTable {
 public:
  // Reads the table of the file, in place of an earlier one. Returns 0 or an errno: ENOEXEC when it is no executable or
  // library of this machine or is damaged, ESTALE when it does not have this build id (unless build_id_size is 0),
  // EFBIG beyond kMaxSymbols. A file without symbols is no error.
  // Keeps the file open as long as the table. For pool threads, not for hooks.
  int Open(const char* path, const uint8_t* build_id, size_t build_id_size) noexcept;

  // The same of a file in memory, which must outlive the table.
  int OpenImage(const void* image, size_t size, const uint8_t* build_id = nullptr, size_t build_id_size = 0) noexcept;

  // The function that holds the address, as the file counts addresses (without the object's bias), and where it starts.
  // Of functions within each other, the innermost; of several names of one function, the shortest that is not local.
  // False when no function is there, or its name can no longer be read. `name` is mangled, and valid until the next
  // call.
  bool Find(uint64_t address, std::string_view& name, uint64_t& start) noexcept;

  // Names that functions have: those of one function counted each.
  size_t size() const noexcept { return entries_.size(); }

  static constexpr size_t kMaxSymbols = size_t{1} << 22;
  static constexpr size_t kMaxNameBytes = size_t{1} << 16;  // a longer name counts as unreadable

 private:
  // One name of one function. Starts are relative to the lowest section of code: no object of code is 4 GiB long.
  struct Entry {
    uint32_t start;
    uint32_t length;
    uint32_t name;   // offset in its string table, and the flags kDynamic, kLocal
    uint32_t outer;  // the function that it lies in, mostly kNone; of the first name of a function only
  };
  struct Sections;

  int Load(const uint8_t* build_id, size_t build_id_size) noexcept;
  int ReadAt(uint64_t offset, void* out, size_t size) const noexcept;
  int CheckBuildId(uint64_t table, size_t count, const uint8_t* build_id, size_t build_id_size) const noexcept;
  int AddSymbols(const Sections& sections, size_t index, bool dynamic) noexcept;
  void Nest(const Sections& sections) noexcept;
  bool ReadName(uint32_t name, KeptArray<char>& out) const noexcept;

  UniqueFd file_;
  const char* image_ = nullptr;
  uint64_t size_ = 0;  // of the file
  uint64_t base_ = 0;
  KeptArray<Entry> entries_;
  struct Strings {
    uint64_t offset;
    uint64_t size;
  };
  Strings strings_[2] = {};   // of .symtab, of .dynsym
  KeptArray<char> names_[2];  // the name that was found last, and the one it is compared with
};

}  // namespace tidemark
