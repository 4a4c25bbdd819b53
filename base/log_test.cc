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

}  // namespace
}  // namespace reeve
