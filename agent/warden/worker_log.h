#pragma once

#include <string>

#include "base/event_loop.h"
#include "base/line_limiter.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace reeve::warden {

// The log pipe of one worker: what it writes to standard error becomes the warden's log lines, under its name. While
// lines are held back it is read in pauses, so that a flood costs the worker its time and not the warden. Not
// thread-safe.
class WorkerLog {
 public:
  static constexpr std::chrono::milliseconds kPause{50};
  static constexpr size_t kPieceBytes = 64 * 1024;  // what a pipe holds

  // `loop` is lent. `pipe` is the reading end.
  WorkerLog(EventLoop& loop, UniqueFd pipe, std::string name);
  WorkerLog(const WorkerLog&) = delete;
  WorkerLog& operator=(const WorkerLog&) = delete;
  ~WorkerLog();

  Status Start();

 private:
  void Read();
  void Pause();

  EventLoop& loop_;
  UniqueFd pipe_;
  std::string name_;
  LineLimiter limiter_;
  EventLoop::TimerId pause_timer_ = 0;
};

}  // namespace reeve::warden
