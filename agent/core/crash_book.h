#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "base/clock.h"
#include "policy/policy.h"

namespace reeve::core {

// The crashes of one plugin's worker, and what follows from them: when it may start again, and whether at all. Only those
// of the budget's period count, so ten minutes without one make all good but a quarantine. Pure; not thread-safe.
class CrashBook {
 public:
  struct Crash {
    RunningTime at{0};
    std::string text;  // "killed by signal 11 (Segmentation fault)"
  };

  explicit CrashBook(const policy::RestartRules& rules) : rules_(rules) {}

  // The worker ended, unasked, or could not be started.
  void Note(RunningTime now, std::string text);

  // 0: whenever it is needed.
  RunningTime may_start_at() const { return may_start_at_; }
  bool is_quarantined() const { return is_quarantined_; }
  // Why, and how it ends. REQUIRES: is_quarantined().
  std::string QuarantineText() const;

  uint64_t count() const { return count_; }  // since the core began
  const std::optional<Crash>& last() const { return last_; }

 private:
  RunningTime DelayAfter(RunningTime now) const;

  const policy::RestartRules rules_;
  std::deque<RunningTime> recent_;  // of the period, oldest first; at most the budget
  RunningTime may_start_at_{0};
  bool is_quarantined_ = false;
  uint64_t count_ = 0;
  std::optional<Crash> last_;
};

}  // namespace reeve::core
