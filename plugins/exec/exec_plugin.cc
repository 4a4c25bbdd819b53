#include "plugins/exec/exec_plugin.h"

#include <cerrno>
#include <csignal>
#include <utility>
#include <vector>

#include "plugins/exec/capture_mode.h"
#include "plugins/exec/signal_name.h"
#include "plugins/exec/status_reply.h"

namespace reeve::exec {

void ExecPlugin::Exec(const Request& request, Reply& reply) {
  Begin(request, reply, CapturedStreams(request.arguments.Find("capture-output")), std::nullopt);
}

void ExecPlugin::ExecRun(const Request& request, Reply& reply) {
  const Result<RunLimits> limits = RunLimitsOf(request, agent().NowMs());
  if (!limits) return reply.Fail(REEVE_ERROR_ARGUMENT, limits.error().message());
  const plugin::JsonValue* const mode = request.arguments.Find("capture-output");
  // Who waits for a program wants to see what it said.
  const uint32_t streams = mode == nullptr ? REEVE_STREAM_STDOUT | REEVE_STREAM_STDERR : CapturedStreams(mode);
  Begin(request, reply, streams, *limits);
}

// ---- a program starts

void ExecPlugin::Begin(const Request& request, Reply& reply, uint32_t output_streams, std::optional<RunLimits> limits) {
  Result<ProgramRequest> wanted = ReadProgramRequest(request.arguments, output_streams);
  if (!wanted) return reply.Fail(REEVE_ERROR_ARGUMENT, wanted.error().message());
  if (const Status room = follower_.records().CheckRoom(); !room)
    return reply.Fail(REEVE_ERROR_LIMIT, room.error().message());
  const uint64_t id = request.id;
  const int32_t asked =
      agent().Run(id, wanted->program, [this, id](plugin::Started started) { FinishStart(id, std::move(started)); });
  if (asked == REEVE_ERROR_LIMIT) return reply.Fail(asked, FailedToExecute(wanted->path(), ErrnoText(E2BIG)));
  if (asked != REEVE_OK) return reply.Fail(asked, FailedToExecute(wanted->path(), "the agent cannot be asked"));
  pending_starts_.emplace(
      id, PendingStart{std::move(reply), request.channel, wanted->path(), std::move(wanted->input), limits});
}

// A program whose start the host was told to have failed must not run on.
void ExecPlugin::FinishStart(uint64_t request_id, plugin::Started started) {
  UniqueFd status(started.status_fd.Release()), in(started.stdin_fd.Release()), out(started.stdout_fd.Release()),
      err(started.stderr_fd.Release());
  auto extracted = pending_starts_.extract(request_id);
  if (extracted.empty()) {
    if (started.runs) agent().Signal(/*request_id=*/0, started.program, SIGKILL);
    return;
  }
  PendingStart& pending = extracted.mapped();
  if (!started.runs) return Refuse(pending, started.refusal);
  ExecRecord record{
      .channel = pending.channel, .pid = started.pid, .program = started.program, .status = std::move(status)};
  if (in) record.in.emplace(std::move(in), std::move(pending.input));
  const size_t max_bytes = started.max_output_bytes != 0 ? started.max_output_bytes : StreamCapture::kMaxBytes;
  if (out) record.out.emplace(std::move(out), max_bytes);
  if (err) record.err.emplace(std::move(err), max_bytes);
  ExecRecord& followed = follower_.Follow(std::move(record));
  if (pending.limits) return BeginRun(followed, request_id, started.program, pending);
  pending.reply.Return("{\"pid\": " + std::to_string(started.pid) + "}");
}

void ExecPlugin::Refuse(PendingStart& pending, const plugin::Refusal& refusal) {
  const std::string why = refusal.error_number != 0 ? ErrnoText(refusal.error_number) : refusal.text;
  if (refusal.error_number != 0) agent().Log(REEVE_LOG_INFO, refusal.text);
  pending.reply.Fail(refusal.error_number == EACCES ? REEVE_ERROR_DENIED : REEVE_ERROR_FAILED,
                     FailedToExecute(pending.path, why));
}

// ---- exec-run waits for its end

void ExecPlugin::BeginRun(ExecRecord& record, uint64_t request_id, uint64_t program, PendingStart& pending) {
  record.run = std::make_unique<RunCall>(agent(), request_id, program, std::move(pending.reply));
  const uint64_t left_ms = pending.limits->LeftMs(agent().NowMs());
  if (left_ms == 0) return;
  record.run->EndAfter(left_ms, [this, serial = record.serial] {
    if (ExecRecord* const hung = follower_.records().FindSerial(serial)) FinishRun(*hung);
  });
}

void ExecPlugin::OnFinished(ExecRecord& record) {
  if (record.run) return FinishRun(record);
  FinishPolls(record.serial);
}

// Nothing is left to ask about once it is answered.
void ExecPlugin::FinishRun(ExecRecord& record) {
  if (!record.run) return;
  // Writing the reply may wait, and be cancelled meanwhile: then nobody is to be found here any more.
  const std::unique_ptr<RunCall> run = std::move(record.run);
  Reply reply = run->TakeReply();
  if (WriteRunReply(record, run->has_timed_out(), reply))
    reply.Finish();
  else
    reply.Fail(REEVE_ERROR_CANCELLED, "the reply could not be sent");
  follower_.Drop(record.serial);
}

// ---- guest-exec-status

void ExecPlugin::ExecStatus(const Request& request, Reply& reply) {
  const Result<ExecRecord*> record = follower_.records().Find(request.channel, request.arguments.Int("pid"));
  if (!record) return reply.Fail(REEVE_ERROR_NOT_FOUND, record.error().message());
  if ((*record)->is_finished()) return Tell(request.id, **record, reply);
  const uint64_t id = request.id;
  const uint64_t timer = agent().After(kPollPatienceMs, [this, id] { EndPoll(id); });
  pending_polls_.emplace(id, PendingPoll{std::move(reply), (*record)->serial, timer});
}

void ExecPlugin::FinishPolls(uint64_t serial) {
  std::vector<uint64_t> over;
  for (const auto& [id, poll] : pending_polls_)
    if (poll.serial == serial) over.push_back(id);
  for (const uint64_t id : over) EndPoll(id);
}

void ExecPlugin::EndPoll(uint64_t request_id) {
  auto poll = pending_polls_.extract(request_id);
  if (poll.empty()) return;
  agent().Cancel(poll.mapped().timer);
  ExecRecord* const record = follower_.records().FindSerial(poll.mapped().serial);
  if (record == nullptr) return poll.mapped().reply.Fail(REEVE_ERROR_NOT_FOUND, "the program is not known any more");
  Tell(request_id, *record, poll.mapped().reply);
}

void ExecPlugin::Tell(uint64_t request_id, const ExecRecord& record, Reply& reply) {
  if (!record.is_finished()) return reply.Return("{\"exited\": false}");
  const uint64_t serial = record.serial;
  if (!WriteFinishedStatus(record, reply)) {
    return reply.Fail(REEVE_ERROR_CANCELLED, "the reply could not be sent");
  }
  serial_by_settling_request_[request_id] = serial;
  reply.WantSettled();
  reply.Finish();
}

void ExecPlugin::Settled(uint64_t request_id, bool was_sent) {
  const auto settling = serial_by_settling_request_.extract(request_id);
  if (settling.empty() || !was_sent) return;
  follower_.Drop(settling.mapped());
}

// ---- exec-kill

void ExecPlugin::ExecKill(const Request& request, Reply& reply) {
  const int64_t pid = request.arguments.Int("pid");
  const Result<ExecRecord*> record = follower_.records().Find(request.channel, pid);
  if (!record) return reply.Fail(REEVE_ERROR_NOT_FOUND, record.error().message());
  const uint64_t id = request.id;
  const int32_t asked = agent().Signal(id, (*record)->program, SignalOfName(request.arguments.String("signal", "TERM")),
                                       [this, id](const plugin::Refusal& refusal) { FinishSignal(id, refusal); });
  if (asked != REEVE_OK) return reply.Fail(asked, "the agent cannot be asked");
  pending_signals_.emplace(id, PendingSignal{std::move(reply), pid});
}

void ExecPlugin::FinishSignal(uint64_t request_id, const plugin::Refusal& refusal) {
  auto extracted = pending_signals_.extract(request_id);
  if (extracted.empty()) return;
  PendingSignal& pending = extracted.mapped();
  if (refusal.error_number == ESRCH)
    return pending.reply.Fail(REEVE_ERROR_NOT_FOUND, "PID " + std::to_string(pending.pid) + " has exited");
  if (!refusal.text.empty()) return pending.reply.Fail(REEVE_ERROR_FAILED, refusal.text);
  pending.reply.Return("{}");
}

// ---- what is cancelled

void ExecPlugin::Cancelled(uint64_t request_id) {
  if (auto start = pending_starts_.extract(request_id); !start.empty())
    return start.mapped().reply.Fail(REEVE_ERROR_CANCELLED, "the program could not be started in time");
  if (auto poll = pending_polls_.extract(request_id); !poll.empty()) {
    agent().Cancel(poll.mapped().timer);
    return poll.mapped().reply.Fail(REEVE_ERROR_CANCELLED, "the program still runs");
  }
  if (auto signal = pending_signals_.extract(request_id); !signal.empty())
    return signal.mapped().reply.Fail(REEVE_ERROR_CANCELLED, "the program could not be signalled in time");
  ExecRecord* const record = follower_.records().FindRun(request_id);
  if (record == nullptr) return;
  record->run->Kill();
  record->run->TakeReply().Fail(REEVE_ERROR_FAILED, "exec-run did not finish in time: its program was killed");
  follower_.Drop(record->serial);
}

}  // namespace reeve::exec
