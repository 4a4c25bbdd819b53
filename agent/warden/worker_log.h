#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/event_loop.h"
#include "base/log_limiter.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace reeve::warden {

// Cuts what a process wrote to its standard error into lines and lets as many through as LogLimiter does. Pure; not
// thread-safe.
class LineLimiter {
 public:
  static constexpr size_t kMaxLineBytes = 1024;  // a longer line is cut into several

  // Hands each line that may pass to `take`; how many were held back is a line of its own before the next.
  // Returns how many lines were held back.
  uint64_t Feed(std::string_view bytes, RunningTime now, const std::function<void(const std::string&)>& take);

 private:
  std::string line_;
  LogLimiter limiter_;
};

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
