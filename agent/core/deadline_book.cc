#include "agent/core/deadline_book.h"

#include <algorithm>

namespace reeve::core {

void DeadlineBook::Add(RunningTime at, uint64_t id) {
  entries_.emplace(at, id);
  Arm();
}

// The timer stays where it is when its entry is removed: most calls of a command have one deadline, so it would be set
// anew with each of them. It then finds nothing due and moves on.
void DeadlineBook::Arm() {
  if (entries_.empty()) return;
  const RunningTime next = entries_.begin()->first;
  if (timer_ != 0 && timer_at_ <= next) return;
  loop_.Cancel(timer_);
  timer_at_ = next;
  timer_ = loop_.After(std::max<RunningTime>(next - loop_.Now(), RunningTime(0)), [this] { OnTimer(); });
}

void DeadlineBook::OnTimer() {
  timer_ = 0;
  const RunningTime now = loop_.Now();
  while (!entries_.empty() && entries_.begin()->first <= now) {
    const uint64_t id = entries_.begin()->second;
    entries_.erase(entries_.begin());
    on_due_(id);
  }
  Arm();
}

}  // namespace reeve::core
