#include "base/line_limiter.h"

#include "base/testing.h"

namespace reeve {
namespace {

using testing::ElementsAre;

class LineLimiterTest : public testing::Test {
 protected:
  std::vector<std::string> Feed(std::string_view bytes, RunningTime now = std::chrono::seconds(0)) {
    std::vector<std::string> lines;
    limiter_.Feed(bytes, now, [&](const std::string& line) { lines.push_back(line); });
    return lines;
  }
  static std::string Lines(int count) {
    std::string text;
    for (int i = 0; i < count; ++i) text += "x\n";
    return text;
  }
  LineLimiter limiter_;
};

TEST_F(LineLimiterTest, CutsLinesHoweverTheyArrive) {
  EXPECT_THAT(Feed("one\ntw"), ElementsAre("one"));
  EXPECT_THAT(Feed("o\n\n"), ElementsAre("two"));
}

TEST_F(LineLimiterTest, CutsALineWithoutEnd) {
  const auto lines = Feed(std::string(LineLimiter::kMaxLineBytes * 2 + 1, 'x'));
  EXPECT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0].size(), LineLimiter::kMaxLineBytes);
}

TEST_F(LineLimiterTest, HoldsBackWhatComesTooFastAndSaysHowMuch) {
  EXPECT_EQ(Feed(Lines(150)).size(), static_cast<size_t>(LogLimiter::kBurst));
  EXPECT_THAT(Feed("later\n", std::chrono::milliseconds(50)), ElementsAre("50 lines were held back", "later"));
}

TEST_F(LineLimiterTest, LetsTwentyASecondThrough) {
  Feed(Lines(static_cast<int>(LogLimiter::kBurst)));
  EXPECT_EQ(Feed(Lines(100), std::chrono::seconds(1)).size(), static_cast<size_t>(LogLimiter::kPerSecond));
}

}  // namespace
}  // namespace reeve
