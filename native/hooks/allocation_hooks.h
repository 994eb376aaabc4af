// The hooks themselves: what runs in place of malloc, free and their kin.
//
// A malloc that is not sampled costs a compare and a subtraction on a thread-local word and a tail call; a free of a
// block that was not sampled, a multiplication, a byte of a filter and a tail call. The layout of memory is untouched:
// a free that is not seen leaves one stale entry, never a broken heap.
#pragma once

#include <atomic>
#include <cstdint>

namespace tidemark {

// The hook of a function (Hooked).
uintptr_t HookOf(int function) noexcept;

// Called after each dlopen of the main executable, outside the loader's locks.
extern std::atomic<void (*)() noexcept> g_after_dlopen;

// The calling thread's next mark is drawn with the interval that is in force when it allocates next. Each thread goes
// on to the mark that it has drawn, of whatever session: after one at 1 GiB, the thread that asks for 4 KiB would see
// nothing for a GiB. To draw again changes no probability, because the process has no memory.
void DrawAnew() noexcept;

// Children made by fork inherit the patched slots but not the collector: from then on they take no samples.
void StopSamplingInChildren() noexcept;

}  // namespace tidemark
