#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <utility>

namespace reeve {

// Time by which deadlines and timeouts count: CLOCK_MONOTONIC, but a step of more than kLongestStep counts as that
// step only, so that suspend, pause, migration and a stopped debugger expire nothing (design, section 2).
using RunningTime = std::chrono::nanoseconds;

inline constexpr std::chrono::seconds kLongestStep{2};

// Where time comes from, so that a test can play it. Not thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  // Never goes back.
  virtual RunningTime Now() = 0;
  // A loop has waited until now. At rest nothing was timed, so that all of the step counts.
  virtual void EndWait(bool /*was_at_rest*/) {}
};

class MonotonicClock final : public Clock {
 public:
  // kOncePerTurn: the kernel's clock is read when the loop's wait ends; for a process whose turns are short.
  enum class Reading : uint8_t { kEachTime, kOncePerTurn };
  using Read = std::function<std::chrono::nanoseconds()>;
  static std::chrono::nanoseconds ReadKernel();

  explicit MonotonicClock(Reading reading = Reading::kEachTime, Read read = ReadKernel)
      : reading_(reading), read_(std::move(read)) {}
  RunningTime Now() override;
  void EndWait(bool was_at_rest) override;

 private:
  void Step(std::chrono::nanoseconds longest);

  const Reading reading_;
  const Read read_;
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
