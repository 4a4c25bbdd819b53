#include "plugins/fsfreeze/hook_run.h"

#include <signal.h>
#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/error.h"
#include "base/sys.h"

namespace reeve::fsfreeze {

namespace {

const char* WordOf(HookAction action) {
  return action == HookAction::kFreeze ? "freeze" : "thaw";
}

// A program is seldom read in more turns, and a hook that writes without end keeps no turn for itself.
constexpr int kReadsPerTurn = 16;

}  // namespace

// What qemu-ga says of a program that it ran for itself.
std::string HookReport::ErrorText() const {
  if (!not_started.empty()) return not_started;
  if (was_timed_out) return "fsfreeze hook '" + path + "' did not end in time" + (output.empty() ? "" : ": " + output);
  if (signal || !exit_code)
    return "child process has terminated abnormally" + (output.empty() ? std::string() : ": " + output);
  return "child process has failed to execute fsfreeze hook: " +
         (output.empty() ? "exit status " + std::to_string(*exit_code) : output);
}

// ---- one hook

HookRun::HookRun(plugin::Agent& agent, std::string path, HookAction action, uint64_t timeout_ms, OnDone on_done)
    : agent_(agent),
      on_done_(std::move(on_done)),
      timeout_ms_(timeout_ms),
      began_ms_(agent.NowMs()),
      self_(std::make_shared<HookRun*>(this)) {
  report_.path = std::move(path);
  report_.action = action;
  plugin::Program program;
  program.arguments = {report_.path, WordOf(action)};
  program.streams = REEVE_STREAM_STDOUT | REEVE_STREAM_MERGED;
  plugin::Agent* const lent = &agent_;
  const int32_t asked = agent_.Run(/*request_id=*/0, program, [self = self_, lent](plugin::Started started) {
    if (*self != nullptr) return (*self)->Begin(std::move(started));
    if (started.runs) lent->Signal(/*request_id=*/0, started.program, SIGKILL);
  });
  if (asked == REEVE_OK) return;
  report_.not_started = "fsfreeze hook '" + report_.path + "' cannot be run: the agent cannot be asked";
  timer_ = agent_.After(0, [this] { Finish(); });
}

HookRun::~HookRun() {
  *self_ = nullptr;
  agent_.Cancel(timer_);
  if (status_) {
    agent_.Forget(status_.get());
    agent_.Signal(/*request_id=*/0, program_, SIGKILL);
  }
  CloseOutput();
}

void HookRun::Begin(plugin::Started started) {
  if (!started.runs) {
    const plugin::Refusal& refusal = started.refusal;
    // qemu-ga looks first whether it may run the hook.
    report_.not_started = refusal.error_number == 0
                              ? refusal.text
                              : "can't access fsfreeze hook '" + report_.path + "': " + ErrnoText(refusal.error_number);
    return Finish();
  }
  is_started_ = true;
  program_ = started.program;
  status_ = std::move(started.status_fd);
  output_ = std::move(started.stdout_fd);
  agent_.Watch(status_.get(), EPOLLIN, [this](uint32_t) { OnStatus(); });
  if (output_) agent_.Watch(output_.get(), EPOLLIN, [this](uint32_t) { ReadOutput(); });
  if (is_killed_) return Kill();
  if (timeout_ms_ != 0) timer_ = agent_.After(timeout_ms_, [this] { OnTimeout(); });
}

void HookRun::OnTimeout() {
  timer_ = 0;
  report_.was_timed_out = true;
  Kill();
}

void HookRun::Kill() {
  is_killed_ = true;
  if (!is_started_) return;
  agent_.Signal(/*request_id=*/0, program_, SIGKILL);
  agent_.Cancel(timer_);
  timer_ = agent_.After(kDyingMs, [this] {
    timer_ = 0;
    Finish();
  });
}

void HookRun::OnStatus() {
  reeve_program_status status{};
  const Result<size_t> got = sys::Read(status_.get(), {reinterpret_cast<uint8_t*>(&status), sizeof status});
  if (!got && got.error().code() == Code::kUnavailable) return;
  if (got && *got == sizeof status) {
    if (status.kind == REEVE_PROGRAM_EXITED) report_.exit_code = status.value;
    if (status.kind == REEVE_PROGRAM_KILLED) report_.signal = status.value;
    report_.was_timed_out = report_.was_timed_out || status.was_timed_out != 0;
  }
  agent_.Forget(status_.get());
  status_.Reset();
  ReadOutput();
  Finish();
}

void HookRun::ReadOutput() {
  uint8_t bytes[4096];
  for (int i = 0; i < kReadsPerTurn && output_; ++i) {
    const Result<size_t> got = sys::Read(output_.get(), bytes);
    if (!got && got.error().code() == Code::kUnavailable) return;
    if (!got || *got == 0) return CloseOutput();
    const size_t room = kMaxHookOutputBytes - report_.output.size();
    report_.output.append(reinterpret_cast<const char*>(bytes), std::min(room, *got));
  }
}

void HookRun::CloseOutput() {
  if (!output_) return;
  agent_.Forget(output_.get());
  output_.Reset();
}

void HookRun::Finish() {
  report_.duration_ms = agent_.NowMs() - began_ms_;
  const OnDone on_done = on_done_;
  on_done(std::move(report_));
}

// ---- several

void HookSequence::Run(std::vector<std::string> paths, HookAction action, uint64_t timeout_ms, OnFailure on_failure,
                       OnDone on_done) {
  paths_ = std::move(paths);
  std::reverse(paths_.begin(), paths_.end());
  action_ = action;
  timeout_ms_ = timeout_ms;
  on_failure_ = on_failure;
  on_done_ = std::move(on_done);
  reports_.clear();
  is_over_ = false;
  Next();
}

void HookSequence::Cancel() {
  is_over_ = true;
  if (running_) running_->Kill();
}

void HookSequence::Next() {
  if (paths_.empty() || is_over_) {
    const OnDone on_done = std::move(on_done_);
    return on_done(std::move(reports_));
  }
  std::string path = std::move(paths_.back());
  paths_.pop_back();
  running_ = std::make_unique<HookRun>(agent_, std::move(path), action_, timeout_ms_,
                                       [this](HookReport report) { OnHookDone(std::move(report)); });
}

void HookSequence::OnHookDone(HookReport report) {
  running_.reset();
  if (on_failure_ == OnFailure::kStop && !report.is_success()) is_over_ = true;
  reports_.push_back(std::move(report));
  Next();
}

}  // namespace reeve::fsfreeze
