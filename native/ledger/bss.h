// Where a binary's zeroed data ends: the kernel gives it anonymous memory behind the file's, with which malloc's own
// mappings may merge. Source: ELF gABI "Program Header" (p_filesz, p_memsz).
#pragma once

#include <cstddef>
#include <cstdint>

namespace tidemark {

// `image` is the beginning of the object as it lies in memory at `base`. Gives the end, rounded up to `page`, of the
// load segment whose file part ends (rounded up as well) at `data_end`; 0 when there is none, or the image is none of
// an object.
uint64_t EndOfBss(const void* image, size_t size, uint64_t base, uint64_t data_end, uint64_t page) noexcept;

}  // namespace tidemark
