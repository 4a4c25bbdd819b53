#include "agent/core/worker_health.h"

namespace reeve::core {

void WorkerHealth::Begin(RunningTime now) {
  *this = {};
  last_active_ = now;
  began_ = now;
  // The first answer is followed by the first question, whose answer is what growth is measured from.
  last_ping_ = now - kPingInterval;
}

bool WorkerHealth::Ping(RunningTime now) {
  if (is_pong_due_) return false;
  is_pong_due_ = true;
  last_ping_ = now;
  return true;
}

bool WorkerHealth::WantsPingBeforeRequest(RunningTime now) {
  return now - last_active_ >= kPingAfterRest && Ping(now);
}

bool WorkerHealth::WantsPingAfterAnswer(RunningTime now) {
  return now - last_ping_ >= kPingInterval && Ping(now);
}

void WorkerHealth::NotePong(uint64_t heap_bytes) {
  is_pong_due_ = false;
  if (!first_heap_bytes_) first_heap_bytes_ = heap_bytes;
  has_grown_ = heap_bytes > *first_heap_bytes_ && heap_bytes - *first_heap_bytes_ > kMaxGrowthBytes;
}

}  // namespace reeve::core
