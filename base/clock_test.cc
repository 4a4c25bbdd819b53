#include "base/clock.h"

#include <gtest/gtest.h>

namespace reeve {

TEST(MonotonicClockTest, StartsAtZeroAndNeverGoesBack) {
  MonotonicClock clock;
  RunningTime before = clock.Now();
  EXPECT_EQ(before.count(), 0);
  for (int i = 0; i < 1000; ++i) {
    const RunningTime now = clock.Now();
    EXPECT_GE(now, before);
    before = now;
  }
}

}  // namespace reeve
