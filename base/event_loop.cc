#include "base/event_loop.h"

#include <cerrno>
#include <utility>

namespace reeve {
namespace {

constexpr int kEventsPerTurn = 64;
// While something is timed a turn is never longer than this, so that running time sees every second (clock.h caps a step).
constexpr std::chrono::milliseconds kLongestTimedTurn{1000};
constexpr auto kUntilWoken = std::chrono::milliseconds::max();

}  // namespace

Result<EventLoop> EventLoop::Create(Clock& clock) {
  UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return FailErrno("epoll_create1");
  return EventLoop(clock, std::move(epoll));
}

Status EventLoop::Watch(int fd, uint32_t events, OnReady on_ready) {
  const uint64_t key = ++last_key_;
  epoll_event event{};
  event.events = events;
  event.data.u64 = key;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) < 0) return FailErrno("watch a descriptor");
  watched_[key] = std::make_shared<Watched>(std::move(on_ready));
  key_by_fd_[fd] = key;
  return {};
}

Status EventLoop::Change(int fd, uint32_t events) {
  const auto key = key_by_fd_.find(fd);
  if (key == key_by_fd_.end()) return Fail(Code::kNotFound, "descriptor is not watched");
  epoll_event event{};
  event.events = events;
  event.data.u64 = key->second;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) < 0) return FailErrno("watch a descriptor");
  return {};
}

void EventLoop::Forget(int fd) {
  const auto key = key_by_fd_.find(fd);
  if (key == key_by_fd_.end()) return;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  watched_.erase(key->second);
  key_by_fd_.erase(key);
}

EventLoop::TimerId EventLoop::After(std::chrono::nanoseconds delay, std::function<void()> on_time) {
  const TimerId id = ++last_timer_;
  const RunningTime time = clock_->Now() + delay;
  timers_[{time, id}] = std::move(on_time);
  timer_times_[id] = time;
  return id;
}

void EventLoop::Cancel(TimerId timer) {
  const auto time = timer_times_.find(timer);
  if (time == timer_times_.end()) return;
  timers_.erase({time->second, timer});
  timer_times_.erase(time);
}

int EventLoop::WaitMs(std::chrono::milliseconds longest_wait) {
  std::chrono::nanoseconds wait = std::min(longest_wait, kLongestTimedTurn);
  if (!timers_.empty()) wait = std::min(wait, timers_.begin()->first.first - clock_->Now());
  if (wait.count() <= 0) return 0;
  // Rounded up: a timer must not find itself a fraction early and spin.
  return static_cast<int>((wait.count() + 999'999) / 1'000'000);
}

void EventLoop::RunTimers() {
  const RunningTime now = clock_->Now();
  while (!timers_.empty() && timers_.begin()->first.first <= now) {
    auto timer = timers_.extract(timers_.begin());
    timer_times_.erase(timer.key().second);
    timer.mapped()();
  }
}

Status EventLoop::RunOnce(std::chrono::milliseconds longest_wait) {
  epoll_event events[kEventsPerTurn];
  const bool is_at_rest = IsAtRest();
  const int wait_ms = is_at_rest && longest_wait == kUntilWoken ? -1 : WaitMs(longest_wait);
  const int count = ::epoll_wait(epoll_.get(), events, kEventsPerTurn, wait_ms);
  if (count < 0 && errno != EINTR) return FailErrno("epoll_wait");
  clock_->EndWait(is_at_rest);
  for (int i = 0; i < count; ++i) {
    const auto found = watched_.find(events[i].data.u64);
    if (found == watched_.end()) continue;
    const std::shared_ptr<Watched> alive = found->second;  // it may forget itself
    alive->on_ready(events[i].events);
  }
  RunTimers();
  return {};
}

Status EventLoop::Run() {
  while (!is_stopped_) REEVE_TRY(RunOnce(kUntilWoken));
  return {};
}

}  // namespace reeve
