#include "plugins/accounts/helper_runs.h"

#include <signal.h>
#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/sys.h"
#include "helpers/contract.h"

namespace reeve::accounts {
namespace {

// What a helper left behind (nscd of chpasswd, say) may hold its output open for so long.
constexpr uint64_t kLingerMs = 1000;

}  // namespace

void HelperRuns::Start(uint64_t request_id, HelperCall call, OnEnd on_end) {
  auto run = std::make_unique<Run>();
  run->call = std::move(call);
  run->on_end = std::move(on_end);
  const plugin::Program program{.arguments = run->call.words,
                                .environment = {},
                                .streams = REEVE_STREAM_STDIN | REEVE_STREAM_STDOUT | REEVE_STREAM_MERGED,
                                .stdin_bytes = static_cast<uint32_t>(run->call.input.bytes().size())};
  runs_[request_id] = std::move(run);
  agent_.SetHeld(runs_.size());
  const int32_t asked = agent_.Run(
      request_id, program, [this, request_id](plugin::Started started) { Follow(request_id, std::move(started)); });
  if (asked == REEVE_OK) return;
  runs_[request_id]->end.refusal.text = "the agent cannot be asked to run " + program.arguments.front();
  Finish(request_id);
}

void HelperRuns::Follow(uint64_t request_id, plugin::Started started) {
  Run& run = *runs_.at(request_id);
  run.end.has_begun = started.runs;
  run.end.refusal = started.refusal;
  if (!started.runs) return Finish(request_id);
  run.program = started.program;
  run.status = std::move(started.status_fd);
  Watch(request_id, run.status.get(), EPOLLIN, &HelperRuns::OnStatus);
  if (!run.on_end) return Kill(run);
  run.in = std::move(started.stdin_fd);
  run.out = std::move(started.stdout_fd);
  Watch(request_id, run.in.get(), EPOLLOUT, &HelperRuns::OnInput);
  Watch(request_id, run.out.get(), EPOLLIN, &HelperRuns::OnOutput);
}

void HelperRuns::Watch(uint64_t request_id, int fd, uint32_t events, void (HelperRuns::*on_ready)(uint64_t, Run&)) {
  const auto call = [this, request_id, on_ready](uint32_t) { (this->*on_ready)(request_id, *runs_.at(request_id)); };
  if (agent_.Watch(fd, events, call) == REEVE_OK) return;
  throw plugin::Failure(REEVE_ERROR_FAILED, "a helper's pipe cannot be watched");
}

void HelperRuns::Abandon(uint64_t request_id) {
  const auto found = runs_.find(request_id);
  if (found == runs_.end()) return;
  Run& run = *found->second;
  run.on_end = {};
  run.call.input.Wipe();
  if (run.end.has_begun) Kill(run);
}

// It may take long to end. What is left is its status: a worker has few descriptors. A helper that finds its input cut off does
// nothing.
void HelperRuns::Kill(Run& run) {
  agent_.Signal(/*request_id=*/0, run.program, SIGKILL);
  Close(run.in);
  Close(run.out);
}

bool HelperRuns::IsStuck(const std::string& user) const {
  return std::ranges::any_of(
      runs_, [&](const auto& entry) { return entry.second->call.user == user && !entry.second->on_end; });
}

bool HelperRuns::IsBusy(const std::string& lane) const {
  return std::ranges::any_of(
      runs_, [&](const auto& entry) { return entry.second->call.lane == lane && entry.second->on_end; });
}

void HelperRuns::OnStatus(uint64_t request_id, Run& run) {
  reeve_program_status status{};
  const Result<size_t> got = sys::Read(run.status.get(), {reinterpret_cast<uint8_t*>(&status), sizeof status});
  if (!got && got.error().code() == Code::kUnavailable) return;
  if (got && *got == sizeof status) {
    if (status.kind == REEVE_PROGRAM_EXITED) run.end.exit_code = status.value;
    run.end.was_timed_out = status.was_timed_out != 0;
  }
  run.has_ended = true;
  Close(run.status);
  if (run.out) run.timer = agent_.After(kLingerMs, [this, request_id] { Finish(request_id); });
  FinishIfOver(request_id, run);
}

void HelperRuns::OnInput(uint64_t, Run& run) {
  const Bytes input = run.call.input.bytes();
  while (run.written < input.size()) {
    const Result<size_t> wrote = sys::Write(run.in.get(), input.subspan(run.written));
    if (!wrote && wrote.error().code() == Code::kUnavailable) return;
    if (!wrote) break;
    run.written += *wrote;
  }
  run.call.input.Wipe();
  Close(run.in);
}

void HelperRuns::OnOutput(uint64_t request_id, Run& run) {
  std::array<uint8_t, 16 * 1024> piece;
  for (;;) {
    const Result<size_t> got = sys::Read(run.out.get(), piece);
    if (!got && got.error().code() == Code::kUnavailable) return;
    if (!got || *got == 0) break;
    const size_t kept =
        std::min(*got, helpers::kMaxKeysBytes + 1 - std::min(run.end.output.size(), helpers::kMaxKeysBytes + 1));
    run.end.output += AsText(Bytes(piece).first(kept));
    run.end.is_output_cut = run.end.is_output_cut || kept < *got;
  }
  Close(run.out);
  FinishIfOver(request_id, run);
}

void HelperRuns::FinishIfOver(uint64_t request_id, Run& run) {
  if (run.has_ended && !run.out) Finish(request_id);
}

void HelperRuns::Finish(uint64_t request_id) {
  const std::unique_ptr<Run> run = std::move(runs_.extract(request_id).mapped());
  for (plugin::Descriptor* const fd : {&run->status, &run->in, &run->out}) Close(*fd);
  if (run->timer != 0) agent_.Cancel(run->timer);
  agent_.SetHeld(runs_.size());
  if (run->on_end) run->on_end(run->end);
}

void HelperRuns::Close(plugin::Descriptor& fd) {
  if (!fd) return;
  agent_.Forget(fd.get());
  fd.Reset();
}

}  // namespace reeve::accounts
