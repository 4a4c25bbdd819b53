#include "agent/core/crash_book.h"

#include <algorithm>
#include <utility>

namespace reeve::core {
namespace {

using std::chrono::milliseconds;

// Delays differ by up to a fifth from what the rules say, so that plugins that fell together do not start together.
constexpr int64_t kMaxJitterPermille = 200;

// The clock's last digits: this needs to be uneven, not secret.
int64_t JitterPermille(RunningTime now) {
  return now.count() / 1000 % (2 * kMaxJitterPermille + 1) - kMaxJitterPermille;
}

std::string PeriodText(uint32_t period_ms) {
  constexpr uint32_t kMinuteMs = 60'000;
  if (period_ms % kMinuteMs == 0) return std::to_string(period_ms / kMinuteMs) + " min";
  return std::to_string(period_ms) + " ms";
}

}  // namespace

void CrashBook::Note(RunningTime now, std::string text) {
  while (!recent_.empty() && now - recent_.front() >= milliseconds(rules_.period_ms)) recent_.pop_front();
  recent_.push_back(now);
  ++count_;
  last_ = {now, std::move(text)};
  is_quarantined_ = is_quarantined_ || recent_.size() >= rules_.budget;
  if (recent_.size() > rules_.budget) recent_.pop_front();
  may_start_at_ = now + DelayAfter(now);
}

RunningTime CrashBook::DelayAfter(RunningTime now) const {
  if (recent_.size() < 2) return RunningTime(0);
  int64_t delay_ms = rules_.initial_ms;
  for (size_t i = 2; i < recent_.size() && delay_ms < rules_.max_ms; ++i) delay_ms *= 2;
  delay_ms = std::min<int64_t>(delay_ms, rules_.max_ms);
  return RunningTime(milliseconds(delay_ms)) / 1000 * (1000 + JitterPermille(now));
}

std::string CrashBook::QuarantineText() const {
  return "it ended " + std::to_string(rules_.budget) + " times within " + PeriodText(rules_.period_ms) +
         ", the last time: " + last_->text + "; a restart of the service (systemctl restart reeved) releases it";
}

}  // namespace reeve::core
