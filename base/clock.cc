#include "base/clock.h"

#include <time.h>

#include <algorithm>

namespace reeve {

RunningTime MonotonicClock::Now() {
  if (reading_ == Reading::kEachTime || last_seen_.count() < 0) Step(kLongestStep);
  return running_;
}

void MonotonicClock::EndWait(bool was_at_rest) {
  if (was_at_rest)
    Step(std::chrono::nanoseconds::max());
  else if (reading_ == Reading::kOncePerTurn)
    Step(kLongestStep);
}

std::chrono::nanoseconds MonotonicClock::ReadKernel() {
  timespec spec{};
  ::clock_gettime(CLOCK_MONOTONIC, &spec);
  return std::chrono::seconds(spec.tv_sec) + std::chrono::nanoseconds(spec.tv_nsec);
}

void MonotonicClock::Step(std::chrono::nanoseconds longest) {
  const std::chrono::nanoseconds seen = read_();
  if (last_seen_.count() >= 0) running_ += std::min(seen - last_seen_, longest);
  last_seen_ = seen;
}

}  // namespace reeve
