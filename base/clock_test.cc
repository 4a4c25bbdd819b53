#include "base/clock.h"

#include <gtest/gtest.h>

namespace reeve {

using std::chrono::hours;
using std::chrono::nanoseconds;
using std::chrono::seconds;

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

class PlayedClockTest : public testing::Test {
 protected:
  MonotonicClock Clock(MonotonicClock::Reading reading) {
    return MonotonicClock(reading, [this] { return kernel_; });
  }

  nanoseconds kernel_ = hours(1);
};

TEST_F(PlayedClockTest, APauseCountsAsOneStep) {
  MonotonicClock clock = Clock(MonotonicClock::Reading::kEachTime);
  clock.Now();
  kernel_ += seconds(1);
  EXPECT_EQ(clock.Now(), seconds(1));
  kernel_ += hours(1);
  clock.EndWait(/*was_at_rest=*/false);
  EXPECT_EQ(clock.Now(), seconds(1) + kLongestStep);
}

TEST_F(PlayedClockTest, ARestCountsInFull) {
  for (const auto reading : {MonotonicClock::Reading::kEachTime, MonotonicClock::Reading::kOncePerTurn}) {
    MonotonicClock clock = Clock(reading);
    clock.Now();
    kernel_ += hours(1);
    clock.EndWait(/*was_at_rest=*/true);
    EXPECT_EQ(clock.Now(), hours(1));
  }
}

TEST_F(PlayedClockTest, OncePerTurnTheTimeStandsUntilTheNext) {
  MonotonicClock clock = Clock(MonotonicClock::Reading::kOncePerTurn);
  clock.Now();
  kernel_ += seconds(1);
  EXPECT_EQ(clock.Now(), seconds(0));
  clock.EndWait(/*was_at_rest=*/false);
  EXPECT_EQ(clock.Now(), seconds(1));
}

}  // namespace reeve
