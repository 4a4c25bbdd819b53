#include "base/clock.h"

#include <time.h>

#include <algorithm>

namespace reeve {

RunningTime MonotonicClock::Now() {
  timespec spec{};
  ::clock_gettime(CLOCK_MONOTONIC, &spec);
  const auto seen = std::chrono::seconds(spec.tv_sec) + std::chrono::nanoseconds(spec.tv_nsec);
  if (last_seen_.count() >= 0) running_ += std::min<std::chrono::nanoseconds>(seen - last_seen_, kLongestStep);
  last_seen_ = seen;
  return running_;
}

}  // namespace reeve
