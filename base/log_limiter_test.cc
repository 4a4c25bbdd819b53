#include "base/log_limiter.h"

#include <gtest/gtest.h>

namespace reeve {
namespace {

TEST(LogLimiterTest, LetsABurstThroughAndThenSoManyASecond) {
  LogLimiter limiter;
  int admitted = 0;
  for (int i = 0; i < 500; ++i) admitted += limiter.Admit(std::chrono::milliseconds(1)) ? 1 : 0;
  EXPECT_EQ(admitted, 100);
  EXPECT_EQ(limiter.TakeDropped(), 400u);
  for (int i = 0; i < 500; ++i) admitted += limiter.Admit(std::chrono::milliseconds(1001)) ? 1 : 0;
  EXPECT_EQ(admitted, 120);
}

}  // namespace
}  // namespace reeve
