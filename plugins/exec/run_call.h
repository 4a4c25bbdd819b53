#pragma once

#include <cstdint>
#include <functional>

#include "base/result.h"
#include "reeve/plugin.hpp"

namespace reeve::exec {

// How long an exec-run may take. Plain value.
struct RunLimits {
  uint64_t timeout_ms = 0;  // from the program's start; 0: none
  uint64_t latest_ms = 0;   // running time at which the program is to be ended, wherever it is; 0: none

  // From now to the first of the two; 0: there is none.
  uint64_t LeftMs(uint64_t now_ms) const;
};

// What the argument `timeout` (seconds) and the request's deadline leave. Fails with kInvalidArgument and the host's text.
[[nodiscard]] Result<RunLimits> RunLimitsOf(const plugin::Request& request, uint64_t now_ms);

// What exec-run adds to a program that it started: somebody waits for its end, but not for ever. At the timeout the
// program is asked to end, then killed with everything that it forked, then answered for as it stands. Not thread-safe.
class RunCall {
 public:
  static constexpr uint64_t kGraceMs = 2000;  // from SIGTERM to SIGKILL, as at a rule's timeout
  static constexpr uint64_t kDyingMs = 1000;  // from SIGKILL on: what is not gone by then hangs in the kernel

  // `agent` is lent. `program` is the agent's number of it.
  RunCall(plugin::Agent& agent, uint64_t request_id, uint64_t program, plugin::Reply reply)
      : agent_(agent), request_id_(request_id), program_(program), reply_(std::move(reply)) {}
  ~RunCall() { agent_.Cancel(timer_); }
  RunCall(const RunCall&) = delete;
  RunCall& operator=(const RunCall&) = delete;

  // `on_given_up` is called once, from the loop, when not even SIGKILL has ended it; it may destroy this.
  void EndAfter(uint64_t delay_ms, std::function<void()> on_given_up);
  void Kill();

  uint64_t request_id() const { return request_id_; }
  bool has_timed_out() const { return stage_ != Stage::kRunning; }
  plugin::Reply TakeReply() { return std::move(reply_); }

 private:
  enum class Stage : uint8_t { kRunning, kAsked, kKilled };
  void ArmTimer(uint64_t delay_ms);
  void OnTimer();

  plugin::Agent& agent_;
  const uint64_t request_id_;
  const uint64_t program_;
  plugin::Reply reply_;
  Stage stage_ = Stage::kRunning;
  uint64_t timer_ = 0;
  std::function<void()> on_given_up_;
};

}  // namespace reeve::exec
