#pragma once

#include <algorithm>
#include <chrono>

#include "base/clock.h"

namespace reeve::warden {

// When a core that ended stands again: at once when it lived long, later the more often it falls, never later than
// kLongestDelay. Pure.
class RestartRule {
 public:
  static constexpr std::chrono::milliseconds kShortestDelay{30};
  static constexpr std::chrono::milliseconds kLongestDelay{900};  // it is to serve again within 1 s
  static constexpr std::chrono::seconds kHealthyLife{10};

  // It lived for `lived`.
  std::chrono::milliseconds NextDelay(RunningTime lived) {
    if (lived >= kHealthyLife) delay_ = kShortestDelay;
    const auto delay = delay_;
    delay_ = std::min(delay_ * 3, kLongestDelay);
    return delay;
  }

 private:
  std::chrono::milliseconds delay_ = kShortestDelay;
};

}  // namespace reeve::warden
