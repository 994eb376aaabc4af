// Names of the threads that allocate: bounded, because services start threads for ever, and by name rather than by id,
// because four pool threads are one thing to whoever reads a profile.
#pragma once

#include <cstdint>
#include <string_view>

namespace tidemark {

class ThreadNames {
 public:
  static constexpr uint32_t kCapacity = 256;
  static constexpr size_t kMaxLength = 24;
  // Numbers that always exist.
  static constexpr uint32_t kUnnamed = 0;  // the thread has the name of the process, as pool threads of Node 20 do
  static constexpr uint32_t kMain = 1;
  static constexpr uint32_t kOther = 2;  // of threads that came when the table was full

  // The number of the calling thread's name, by the kernel's (PR_GET_NAME). Safe in a hook.
  static uint32_t OfThisThread() noexcept;
  // The number of `name`, cut to kMaxLength. Safe in a hook.
  static uint32_t Intern(std::string_view name) noexcept;

  // How many there are, and the name of one. Names never change nor go.
  static uint32_t Count() noexcept;
  static std::string_view At(uint32_t number) noexcept;
};

}  // namespace tidemark
