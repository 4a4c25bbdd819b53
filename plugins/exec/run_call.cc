#include "plugins/exec/run_call.h"

#include <signal.h>

#include <algorithm>
#include <string>
#include <utility>

namespace reeve::exec {

namespace {

// What is left of the request's deadline when the program is asked to end: grace, dying, and the way of the answer.
constexpr uint64_t kEndingMs = RunCall::kGraceMs + RunCall::kDyingMs + 1000;
// Longer than any deadline; more would only be a number too large for the clock.
constexpr double kMaxTimeoutS = 1e9;
constexpr double kMsPerS = 1000;

}  // namespace

uint64_t RunLimits::LeftMs(uint64_t now_ms) const {
  if (latest_ms == 0) return timeout_ms;
  const uint64_t left_ms = latest_ms > now_ms ? latest_ms - now_ms : 1;
  return timeout_ms == 0 ? left_ms : std::min(timeout_ms, left_ms);
}

Result<RunLimits> RunLimitsOf(const plugin::Request& request, uint64_t now_ms) {
  RunLimits limits;
  // A short deadline is halved, so that some of it is left for the program.
  if (request.deadline_ms != 0)
    limits.latest_ms = now_ms + request.deadline_ms - std::min<uint64_t>(kEndingMs, request.deadline_ms / 2);
  const plugin::JsonValue* timeout = request.arguments.Find("timeout");
  if (timeout == nullptr) return limits;
  const double seconds = timeout->AsNumber().value_or(0);
  if (!(seconds > 0))
    return Fail(Code::kInvalidArgument, "value '" + std::string(timeout->raw()) + "' is invalid for argument timeout");
  limits.timeout_ms = std::max<uint64_t>(1, static_cast<uint64_t>(std::min(seconds, kMaxTimeoutS) * kMsPerS));
  return limits;
}

void RunCall::EndAfter(uint64_t delay_ms, std::function<void()> on_given_up) {
  on_given_up_ = std::move(on_given_up);
  ArmTimer(delay_ms);
}

void RunCall::ArmTimer(uint64_t delay_ms) {
  timer_ = agent_.After(delay_ms, [this] { OnTimer(); });
}

void RunCall::Kill() {
  agent_.Signal(/*request_id=*/0, program_, SIGKILL);
}

void RunCall::OnTimer() {
  timer_ = 0;
  if (stage_ == Stage::kRunning) {
    stage_ = Stage::kAsked;
    agent_.Signal(/*request_id=*/0, program_, SIGTERM);
    return ArmTimer(kGraceMs);
  }
  if (stage_ == Stage::kAsked) {
    stage_ = Stage::kKilled;
    Kill();
    return ArmTimer(kDyingMs);
  }
  const std::function<void()> on_given_up = std::move(on_given_up_);
  on_given_up();
}

}  // namespace reeve::exec
