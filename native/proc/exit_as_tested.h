// The end of a test that runs in a process of its own.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>

namespace tidemark {

// With 0 if all that was expected held. What did not is written to stderr, for GoogleTest itself says nothing of it in
// a death test's process.
[[noreturn]] inline void ExitAsTested() {
  const testing::TestResult& result = *testing::UnitTest::GetInstance()->current_test_info()->result();
  for (int i = 0; i < result.total_part_count(); i++) {
    const testing::TestPartResult& part = result.GetTestPartResult(i);
    if (part.failed()) std::fprintf(stderr, "%s:%d: %s\n", part.file_name(), part.line_number(), part.message());
  }
  _exit(result.Failed() ? 1 : 0);
}

}  // namespace tidemark
