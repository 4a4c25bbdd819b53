#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <utility>

#include "base/event_loop.h"

namespace reeve::core {

// The deadlines of many calls under one timer: a call that is answered in time costs no timer of its own.
// Not thread-safe.
class DeadlineBook {
 public:
  using OnDue = std::function<void(uint64_t id)>;

  // `loop` is lent for the life of this.
  DeadlineBook(EventLoop& loop, OnDue on_due) : loop_(loop), on_due_(std::move(on_due)) {}
  ~DeadlineBook() { loop_.Cancel(timer_); }
  DeadlineBook(const DeadlineBook&) = delete;
  DeadlineBook& operator=(const DeadlineBook&) = delete;

  // Calls back once, at the first turn of the loop after `at`; the entry is then gone. OnDue may add and remove any.
  void Add(RunningTime at, uint64_t id);
  // No error when it is not there.
  void Remove(RunningTime at, uint64_t id) { entries_.erase({at, id}); }
  size_t size() const { return entries_.size(); }

 private:
  void Arm();
  void OnTimer();

  EventLoop& loop_;
  OnDue on_due_;
  std::set<std::pair<RunningTime, uint64_t>> entries_;
  EventLoop::TimerId timer_ = 0;
  RunningTime timer_at_{0};
};

}  // namespace reeve::core
