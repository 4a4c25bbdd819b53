#pragma once

#include <sys/epoll.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <unordered_map>

#include "base/clock.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace reeve {

// One epoll(7) loop with timers: who has something to do is called back, in the loop's own thread. Each Reeve process
// has one. Not thread-safe. A callback may watch, change and forget any descriptor and set and cancel any timer, also
// its own; after Forget returns, the descriptor's callback is not called again.
class EventLoop {
 public:
  using OnReady = std::function<void(uint32_t events)>;  // EPOLLIN, EPOLLOUT, EPOLLHUP, ...
  using TimerId = uint64_t;                              // 0 is no timer

  // `clock` is lent for the life of the loop.
  static Result<EventLoop> Create(Clock& clock);
  EventLoop(EventLoop&&) = default;

  // `fd` is lent until Forget. `events` as epoll_ctl(2) takes them, EPOLLET too.
  Status Watch(int fd, uint32_t events, OnReady on_ready);
  Status Change(int fd, uint32_t events);
  // No error when `fd` is not watched. Call it before closing the descriptor.
  void Forget(int fd);

  // Calls once, at the first turn of the loop after `delay` of running time.
  TimerId After(std::chrono::nanoseconds delay, std::function<void()> on_time);
  void Cancel(TimerId timer);  // no error when it has gone off

  // What else than the loop's own timers goes by its time while `is_timing` says so. With neither the loop is at rest: it
  // waits without waking, and that time counts however long it was (clock.h).
  void AlsoTimes(std::function<bool()> is_timing) { is_timing_ = std::move(is_timing); }

  // Turns until Stop. Fails only when epoll itself does.
  Status Run();
  // One turn: waits for the first event or timer, at most `longest_wait`.
  Status RunOnce(std::chrono::milliseconds longest_wait);
  void Stop() { is_stopped_ = true; }

  RunningTime Now() { return clock_->Now(); }

 private:
  struct Watched {
    OnReady on_ready;
  };
  EventLoop(Clock& clock, UniqueFd epoll) : clock_(&clock), epoll_(std::move(epoll)) {}
  bool IsAtRest() const { return timers_.empty() && !(is_timing_ && is_timing_()); }
  int WaitMs(std::chrono::milliseconds longest_wait);
  void RunTimers();

  Clock* clock_;
  UniqueFd epoll_;
  bool is_stopped_ = false;
  std::function<bool()> is_timing_;
  // Keyed by a number that is never used again, so that an event of a descriptor closed in the same turn is dropped.
  std::unordered_map<uint64_t, std::shared_ptr<Watched>> watched_;
  std::unordered_map<int, uint64_t> key_by_fd_;
  uint64_t last_key_ = 0;
  std::map<std::pair<RunningTime, TimerId>, std::function<void()>> timers_;
  std::unordered_map<TimerId, RunningTime> timer_times_;
  TimerId last_timer_ = 0;
};

}  // namespace reeve
