#include "base/log.h"

#include <gtest/gtest.h>

#include <vector>

namespace reeve {
namespace {

class Collect final : public LogSink {
 public:
  void Write(Severity, std::string_view line) override { lines.emplace_back(line); }
  std::vector<std::string> lines;
};

TEST(LogTest, ControlBytesCannotStartALineOfTheirOwn) {
  Collect sink;
  SetLogSink(&sink);
  LogError("host said \"\nreeved: error: forged\x7f\"");
  SetLogSink(nullptr);
  ASSERT_EQ(sink.lines.size(), 1u);
  EXPECT_EQ(sink.lines[0], "host said \"\\x0areeved: error: forged\\x7f\"");
}

TEST(LogTest, WhatIsLessSevereThanTheLevelIsLeftOut) {
  Collect sink;
  SetLogSink(&sink);
  LogInfo("quiet");
  SetLogLevel(Severity::kInfo);
  LogInfo("loud");
  SetLogLevel(Severity::kWarning);
  SetLogSink(nullptr);
  EXPECT_EQ(sink.lines, std::vector<std::string>{"loud"});
}

class Kept final : public LogSink {
 public:
  void Write(Severity, std::string_view line) override { lines.emplace_back(line); }
  std::vector<std::string> lines;
};

TEST(HoldLogTest, LinesWaitUntilItIsLetGoAndWhatDoesNotFitIsCounted) {
  Kept kept;
  SetLogSink(&kept);
  HoldLog(true);
  LogError("first");
  HoldLog(true);  // is held already
  const std::string long_line(kMaxHeldLogBytes - 10, 'x');
  LogError(long_line);
  LogError("has no room");
  LogError("nor this one");
  EXPECT_TRUE(kept.lines.empty());
  HoldLog(false);
  LogError("last");
  SetLogSink(nullptr);
  EXPECT_EQ(kept.lines,
            (std::vector<std::string>{"first", long_line, "2 log lines were lost while the log was held", "last"}));
}

}  // namespace
}  // namespace reeve
