#pragma once

#include <chrono>
#include <cstdint>

namespace reeve {

// Time by which deadlines and timeouts count: CLOCK_MONOTONIC, but a step of more than kLongestStep counts as that
// step only, so that suspend, pause, migration and a stopped debugger expire nothing (design, section 2).
using RunningTime = std::chrono::nanoseconds;

inline constexpr std::chrono::seconds kLongestStep{2};

// Where time comes from, so that a test can play it.
class Clock {
 public:
  virtual ~Clock() = default;
  // Never goes back. Not thread-safe.
  virtual RunningTime Now() = 0;
};

class MonotonicClock final : public Clock {
 public:
  RunningTime Now() override;

 private:
  std::chrono::nanoseconds last_seen_{-1};
  RunningTime running_{0};
};

class FakeClock final : public Clock {
 public:
  RunningTime Now() override { return now_; }
  void Advance(std::chrono::nanoseconds by) { now_ += by; }

 private:
  RunningTime now_{0};
};

}  // namespace reeve
