#include "proc/text_stream.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <string>

namespace tidemark {
namespace {

// A file in memory that holds `text`.
UniqueFd FileWith(const std::string& text) {
  UniqueFd fd(memfd_create("text", MFD_CLOEXEC));
  EXPECT_EQ(write(fd.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  EXPECT_EQ(lseek(fd.get(), 0, SEEK_SET), 0);
  return fd;
}

// Collects lines whole; what follows the last newline only at the end.
int CollectLines(int fd, std::string& lines, int& ends) {
  return StreamText(fd, [&](std::string_view text, bool last) -> ssize_t {
    ends += last;
    const size_t used = last ? text.size() : text.rfind('\n') + 1;
    lines += text.substr(0, used);
    return static_cast<ssize_t>(used);
  });
}

TEST(StreamText, HandsOverEverythingOnceAndSaysWhenItEnds) {
  for (const size_t size : {size_t{0}, size_t{1}, size_t{1000}, size_t{65536}, size_t{65537}, size_t{3'000'000}}) {
    std::string text;
    for (size_t i = 0; text.size() < size; i++) text += std::to_string(i) + std::string(i % 500, 'x') + '\n';
    text.resize(size);
    std::string lines;
    int ends = 0;
    EXPECT_EQ(CollectLines(FileWith(text).get(), lines, ends), 0);
    EXPECT_EQ(lines, text);
    EXPECT_EQ(ends, 1);
  }
}

TEST(StreamText, RefusesARecordLargerThanItsBuffer) {
  std::string lines;
  int ends = 0;
  EXPECT_EQ(CollectLines(FileWith(std::string(200'000, 'x')).get(), lines, ends), kBadFormat);
}

TEST(StreamText, PassesOnWhatTheParserAndTheKernelReport) {
  const UniqueFd file = FileWith("x\n");
  EXPECT_EQ(StreamText(file.get(), [](std::string_view, bool) -> ssize_t { return -ENOMEM; }), ENOMEM);
  EXPECT_EQ(StreamText(-1, [](std::string_view, bool) -> ssize_t { return 0; }), EBADF);
}

}  // namespace
}  // namespace tidemark
