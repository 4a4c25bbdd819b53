#include "plugins/file/open_mode.h"

#include <gtest/gtest.h>

#include <string>

#include "reeve/plugin.h"

namespace reeve::file {
namespace {

constexpr uint32_t kReadWrite = REEVE_ACCESS_READ | REEVE_ACCESS_WRITE;

TEST(OpenModeTest, KnowsTheFifteenSpellings) {
  const struct {
    const char* spellings[3];
    OpenMode mode;
  } rows[] = {
      {{"r", "rb", "rb"}, {REEVE_ACCESS_READ, 0}},
      {{"w", "wb", "wb"}, {REEVE_ACCESS_WRITE | REEVE_ACCESS_CREATE, REEVE_OPEN_TRUNCATE}},
      {{"a", "ab", "ab"}, {REEVE_ACCESS_WRITE | REEVE_ACCESS_CREATE, REEVE_OPEN_APPEND}},
      {{"r+", "rb+", "r+b"}, {kReadWrite, 0}},
      {{"w+", "wb+", "w+b"}, {kReadWrite | REEVE_ACCESS_CREATE, REEVE_OPEN_TRUNCATE}},
      {{"a+", "ab+", "a+b"}, {kReadWrite | REEVE_ACCESS_CREATE, REEVE_OPEN_APPEND}},
  };
  for (const auto& row : rows) {
    for (const char* spelling : row.spellings) EXPECT_EQ(ParseOpenMode(spelling), row.mode) << spelling;
  }
}

TEST(OpenModeTest, RefusesEveryOtherMode) {
  for (const char* mode : {"", "b", "+", "rw", "br", "r++", "rbb", "r+b+", "R", "re", "rx", "wx", "r ", " r", "x"}) {
    EXPECT_FALSE(ParseOpenMode(mode).has_value()) << mode;
  }
  EXPECT_FALSE(ParseOpenMode(std::string_view("r\0", 2)).has_value());
}

}  // namespace
}  // namespace reeve::file
