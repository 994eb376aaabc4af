#include "proc/process_memory.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <initializer_list>

#include "base/own_mapping.h"
#include "proc/exit_as_tested.h"
#include "proc/forbidden_calls.h"

namespace tidemark {
namespace {

// Three pages, each full of its own number, of which the middle one is gone.
class Pages {
 public:
  Pages() {
    void* memory = mmap(nullptr, 3 * page_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    start_ = reinterpret_cast<uint64_t>(memory);
    for (int i = 0; i < 3; i++) std::memset(static_cast<char*>(memory) + i * page_, i + 1, page_);
    munmap(static_cast<char*>(memory) + page_, page_);
  }
  ~Pages() {
    munmap(reinterpret_cast<void*>(start_), page_);              // NOLINT(performance-no-int-to-ptr)
    munmap(reinterpret_cast<void*>(start_ + 2 * page_), page_);  // NOLINT(performance-no-int-to-ptr)
  }
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;

  uint64_t At(uint64_t page, uint64_t offset = 0) const { return start_ + page * page_ + offset; }

 private:
  const uint64_t page_ = PageSize();
  uint64_t start_;
};

void ReadsUpToWhatIsGone(pid_t pid, const Pages& pages) {
  ProcessMemory memory(pid);
  ASSERT_EQ(memory.error(), 0);
  char copy[64] = {};
  EXPECT_EQ(memory.Read(pages.At(0), copy, sizeof copy), sizeof copy);
  EXPECT_EQ(copy[63], 1);
  EXPECT_EQ(memory.Read(pages.At(1, -uint64_t{32}), copy, sizeof copy), 32u);
  EXPECT_EQ(memory.Read(pages.At(1), copy, sizeof copy), 0u);

  const uint64_t addresses[] = {pages.At(2, 16), pages.At(0), pages.At(1), pages.At(2)};
  EXPECT_EQ(memory.ReadEach(addresses, 4, 16, copy), 2u);
  EXPECT_EQ(copy[0], 3);
  EXPECT_EQ(copy[16], 1);
  EXPECT_EQ(memory.ReadEach(addresses + 2, 2, 16, copy), 0u);
  EXPECT_EQ(memory.ReadEach(addresses + 3, 1, 16, copy), 1u);
  EXPECT_EQ(copy[15], 3);
}

TEST(ProcessMemory, ReadsThisProcessUpToWhatIsGone) {
  const Pages pages;
  ReadsUpToWhatIsGone(0, pages);
}

TEST(ProcessMemory, ReadsAnotherProcessUpToWhatIsGone) {
  const Pages pages;
  const pid_t child = fork();
  if (child == 0) {
    for (;;) pause();
  }
  ReadsUpToWhatIsGone(child, pages);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
}

TEST(ProcessMemoryDeathTest, ReadsByWhateverASandboxLeaves) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  const auto read = [](std::initializer_list<uint32_t> forbidden) {
    Forbid(forbidden);
    const Pages pages;
    ReadsUpToWhatIsGone(0, pages);
    ExitAsTested();
  };
  EXPECT_EXIT(read({__NR_process_vm_writev}), testing::ExitedWithCode(0), "");
  EXPECT_EXIT(read({__NR_process_vm_writev, __NR_process_vm_readv}), testing::ExitedWithCode(0), "");
}

// As in a container that was given the host's /proc: this process is 1 to itself, and there 1 is another.
TEST(ProcessMemoryDeathTest, AsksForPagesOfThisProcessWhateverItsNumberInProc) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  const auto ask = [] {
    if (unshare(CLONE_NEWUSER | CLONE_NEWPID) != 0) _exit(3);
    const pid_t child = fork();
    if (child == 0) {
      const Pages pages;
      ProcessMemory memory(0);
      _exit(memory.IsResident(pages.At(0)) && !memory.IsResident(pages.At(1)) ? 0 : 1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 2);
  };
  EXPECT_EXIT(
      ask(),
      [](int status) {
        const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 2;
        return code == 0 || code == 3;  // 3: namespaces are forbidden here
      },
      "");
}

}  // namespace
}  // namespace tidemark
