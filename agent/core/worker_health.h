#pragma once

#include <cstdint>
#include <optional>

#include "base/clock.h"

namespace reeve::core {

// Whether one worker process still turns its loop, and whether it has served long enough. It is asked (kPing) when that
// costs nobody: ahead of the first request after a rest, and after an answer now and then. A worker at rest is not woken.
// Pure; not thread-safe.
class WorkerHealth {
 public:
  static constexpr std::chrono::seconds kPingAfterRest{60};
  static constexpr std::chrono::seconds kPingInterval{10};  // while it has work
  static constexpr std::chrono::seconds kPongPatience{5};
  static constexpr uint64_t kMaxServed = 10'000;
  static constexpr uint64_t kMaxGrowthBytes = 64ull << 20;

  // A new process.
  void Begin(RunningTime now);

  // Asked whenever it has no request out: is kPing to be sent now? True also notes that it was.
  bool WantsPingBeforeRequest(RunningTime now);
  bool WantsPingAfterAnswer(RunningTime now);
  // REQUIRES: one of the above said so since the last.
  void NotePong(uint64_t heap_bytes);

  // Its plugin wants another process in its place.
  void NoteRenewWish() { wants_renewal_ = true; }
  // A plugin that always wishes so must not keep the warden busy with starts.
  static constexpr std::chrono::seconds kMinLife{1};
  bool IsRenewalDue(RunningTime now) const { return wants_renewal_ && now - began_ >= kMinLife; }

  void NoteServed() { ++served_; }
  RunningTime last_active() const { return last_active_; }
  void NoteActive(RunningTime now) { last_active_ = now; }
  // It has served or grown so much that another should take its place when it holds nothing.
  bool is_worn() const { return served_ >= kMaxServed || has_grown_; }

 private:
  bool Ping(RunningTime now);

  RunningTime last_active_{0};
  RunningTime last_ping_{0};
  RunningTime began_{0};
  bool wants_renewal_ = false;
  bool is_pong_due_ = false;
  uint64_t served_ = 0;
  std::optional<uint64_t> first_heap_bytes_;
  bool has_grown_ = false;
};

}  // namespace reeve::core
