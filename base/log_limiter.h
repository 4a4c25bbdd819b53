#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <utility>

#include "base/clock.h"

namespace reeve {

// How many lines of one other process reach the log: a burst, then so many a second. A plugin that logs in a loop must
// not flood the guest's journal. Pure; not thread-safe.
class LogLimiter {
 public:
  static constexpr double kBurst = 100;
  static constexpr double kPerSecond = 20;

  // Whether one more line may go out now.
  bool Admit(RunningTime now) {
    const double seconds = std::chrono::duration<double>(now - last_).count();
    last_ = now;
    tokens_ = std::min(kBurst, tokens_ + seconds * kPerSecond);
    if (tokens_ < 1) {
      ++dropped_;
      return false;
    }
    tokens_ -= 1;
    return true;
  }
  // Lines dropped since this was last asked.
  uint64_t TakeDropped() { return std::exchange(dropped_, 0); }

 private:
  RunningTime last_{0};
  double tokens_ = kBurst;
  uint64_t dropped_ = 0;
};

}  // namespace reeve
