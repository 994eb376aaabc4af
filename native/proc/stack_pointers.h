// Where the stacks of a process's threads are, by the stack pointers of those that sleep in a system call, as most do.
// Source: proc_pid_task(5), proc_pid_syscall(5): "running", or numbers of which the last two are stack pointer and PC.
#pragma once

#include <sys/types.h>

#include <string_view>

#include "base/mapped_array.h"

namespace tidemark {

// The stack pointer in the text of /proc/PID/task/TID/syscall; 0 where there is none.
uint64_t ParseStackPointer(std::string_view text) noexcept;

// Appends one for each thread that sleeps. What may not be read (PTRACE_MODE_ATTACH) is left out: layout has to do
// then.
void ReadStackPointers(pid_t pid, MappedArray<uint64_t>& pointers) noexcept;

}  // namespace tidemark
