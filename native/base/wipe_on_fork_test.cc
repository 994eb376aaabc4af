#include "base/wipe_on_fork.h"

#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

namespace tidemark {
namespace {

TEST(WipeOnForkPage, IsZeroInAChildAndKeptInTheParent) {
  const WipeOnForkPage page;
  auto* word = static_cast<volatile int*>(page.data());
  ASSERT_NE(word, nullptr) << "this kernel cannot wipe (before 4.14)";
  *word = 42;
  const pid_t child = fork();
  if (child == 0) _exit(*word);
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(*word, 42);
}

TEST(WipeOnForkPage, IsZeroInAChildOfRawCloneWhichRunsNoForkHandler) {
  const WipeOnForkPage page;
  auto* word = static_cast<volatile int*>(page.data());
  ASSERT_NE(word, nullptr) << "this kernel cannot wipe (before 4.14)";
  *word = 42;
  const long child = syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr);
  if (child == 0) _exit(*word);
  int status = -1;
  ASSERT_EQ(waitpid(static_cast<pid_t>(child), &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace tidemark
