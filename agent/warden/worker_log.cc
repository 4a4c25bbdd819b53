#include "agent/warden/worker_log.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/sys.h"

namespace reeve::warden {

bool LineLimiter::MayPass(RunningTime now) {
  constexpr std::chrono::nanoseconds kPerToken = std::chrono::nanoseconds(std::chrono::seconds(1)) / kLinesPerSecond;
  const auto earned = (now - refilled_at_) / kPerToken;
  if (earned > 0) {
    tokens_ = static_cast<int>(std::min<int64_t>(kBurstLines, tokens_ + earned));
    refilled_at_ += earned * kPerToken;
  }
  if (tokens_ == 0) return false;
  --tokens_;
  return true;
}

void LineLimiter::Feed(std::string_view bytes, RunningTime now, const std::function<void(const std::string&)>& take) {
  for (const char byte : bytes) {
    if (byte != '\n') line_ += byte;
    if (byte != '\n' && line_.size() < kMaxLineBytes) continue;
    const std::string line = std::exchange(line_, {});
    if (line.empty()) continue;
    if (!MayPass(now)) {
      ++held_back_;
      continue;
    }
    if (held_back_ > 0) take(std::to_string(std::exchange(held_back_, 0)) + " lines were held back");
    take(line);
  }
}

WorkerLog::WorkerLog(EventLoop& loop, UniqueFd pipe, std::string name)
    : loop_(loop), pipe_(std::move(pipe)), name_(std::move(name)) {}

WorkerLog::~WorkerLog() {
  Read();  // its last words
  if (pipe_) loop_.Forget(pipe_.get());
}

Status WorkerLog::Start() {
  REEVE_TRY(sys::SetNonBlocking(pipe_.get()));
  return loop_.Watch(pipe_.get(), EPOLLIN, [this](uint32_t) { Read(); });
}

void WorkerLog::Read() {
  if (!pipe_) return;
  uint8_t piece[16384];
  const Result<size_t> count = sys::Read(pipe_.get(), piece);
  if (!count && count.error().code() == Code::kUnavailable) return;
  if (!count || *count == 0) {
    loop_.Forget(pipe_.get());
    pipe_.Reset();
    return;
  }
  limiter_.Feed(AsText(Bytes(piece).first(*count)), loop_.Now(),
                [this](const std::string& line) { LogWarning(name_ + ": " + line); });
}

}  // namespace reeve::warden
