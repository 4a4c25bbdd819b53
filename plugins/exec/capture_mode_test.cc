#include "plugins/exec/capture_mode.h"

#include <gtest/gtest.h>

#include "reeve/plugin.h"

namespace reeve::exec {
namespace {

uint32_t Streams(std::string_view json) {
  const plugin::JsonValue value(json);
  return CapturedStreams(&value);
}

TEST(CaptureModeTest, FlagIsBothStreamsOrNone) {
  EXPECT_EQ(Streams("true"), REEVE_STREAM_STDOUT | REEVE_STREAM_STDERR);
  EXPECT_EQ(Streams("false"), 0u);
  EXPECT_EQ(CapturedStreams(nullptr), 0u);
}

TEST(CaptureModeTest, EachModeCapturesWhatItsNameSays) {
  EXPECT_EQ(Streams("\"none\""), 0u);
  EXPECT_EQ(Streams("\"stdout\""), REEVE_STREAM_STDOUT);
  EXPECT_EQ(Streams("\"stderr\""), REEVE_STREAM_STDERR);
  EXPECT_EQ(Streams("\"separated\""), REEVE_STREAM_STDOUT | REEVE_STREAM_STDERR);
  EXPECT_EQ(Streams("\"merged\""), REEVE_STREAM_STDOUT | REEVE_STREAM_MERGED);
}

}  // namespace
}  // namespace reeve::exec
