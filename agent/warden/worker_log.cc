#include "agent/warden/worker_log.h"

#include <utility>

#include "base/log.h"
#include "base/sys.h"

namespace reeve::warden {

WorkerLog::WorkerLog(EventLoop& loop, UniqueFd pipe, std::string name)
    : loop_(loop), pipe_(std::move(pipe)), name_(std::move(name)) {}

WorkerLog::~WorkerLog() {
  Read();  // its last words
  loop_.Cancel(pause_timer_);
  if (pipe_) loop_.Forget(pipe_.get());
}

Status WorkerLog::Start() {
  REEVE_TRY(sys::SetNonBlocking(pipe_.get()));
  return loop_.Watch(pipe_.get(), EPOLLIN, [this](uint32_t) { Read(); });
}

void WorkerLog::Read() {
  if (!pipe_) return;
  uint8_t piece[kPieceBytes];
  const Result<size_t> count = sys::Read(pipe_.get(), piece);
  if (!count && count.error().code() == Code::kUnavailable) return;
  if (!count || *count == 0) {
    loop_.Forget(pipe_.get());
    pipe_.Reset();
    return;
  }
  const uint64_t held_back = limiter_.Feed(AsText(Bytes(piece).first(*count)), loop_.Now(),
                                           [this](const std::string& line) { LogWarning(name_ + ": " + line); });
  if (held_back > 0) Pause();
}

void WorkerLog::Pause() {
  if (pause_timer_ != 0 || !loop_.Change(pipe_.get(), 0)) return;
  pause_timer_ = loop_.After(kPause, [this] {
    pause_timer_ = 0;
    if (pipe_) static_cast<void>(loop_.Change(pipe_.get(), EPOLLIN));
  });
}

}  // namespace reeve::warden
