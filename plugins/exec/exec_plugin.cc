#include "plugins/exec/exec_plugin.h"

#include <signal.h>
#include <sys/epoll.h>

#include <algorithm>

#include "base/base64.h"
#include "base/sys.h"
#include "plugins/exec/capture_mode.h"
#include "plugins/exec/status_reply.h"

namespace reeve::exec {

namespace {

// How often finished records are looked at for their age.
constexpr uint64_t kSweepMs = 60 * 1000;

constexpr int kSignalExitBase = 128;  // as a shell says it

// GLib's text, typographic quotes and all: hosts show it, and some look for the errno's text in it.
std::string FailedToExecute(const std::string& path, const std::string& why) {
  return "Failed to execute child process \u201C" + path + "\u201D (" + why + ")";
}

bool HasNul(const std::vector<std::string>& words) {
  return std::ranges::any_of(words, [](const std::string& word) { return word.contains('\0'); });
}

// A word with a NUL in it would be another word for policy than for the kernel.
bool HasNul(const plugin::Program& program) {
  return HasNul(program.arguments) || (program.environment && HasNul(*program.environment));
}

plugin::Program ProgramOf(const plugin::Request& request, bool has_input, size_t input_bytes) {
  plugin::Program program;
  program.arguments = request.arguments.Strings("arg");
  program.arguments.emplace(program.arguments.begin(), request.arguments.String("path"));
  if (request.arguments.Has("env")) program.environment = request.arguments.Strings("env");
  program.streams = CapturedStreams(request.arguments.Find("capture-output"));
  if (has_input) program.streams |= REEVE_STREAM_STDIN;
  program.stdin_bytes = static_cast<uint32_t>(input_bytes);
  return program;
}

ProgramEnd EndOf(const reeve_program_status& status) {
  if (status.kind == REEVE_PROGRAM_EXITED) return {.exit_code = status.value};
  if (status.kind == REEVE_PROGRAM_KILLED) return {.exit_code = kSignalExitBase + status.value, .signal = status.value};
  return kUnknownEnd;
}

}  // namespace

void ExecPlugin::Exec(const Request& request, Reply& reply) {
  Result<std::string> input = Base64Decode(request.arguments.String("input-data"));
  if (!input) return reply.Fail(REEVE_ERROR_ARGUMENT, input.error().message());
  if (const Status room = records_.CheckRoom(); !room) {
    return reply.Fail(REEVE_ERROR_LIMIT, room.error().message());
  }
  const plugin::Program program = ProgramOf(request, request.arguments.Has("input-data"), input->size());
  const std::string& path = program.arguments.front();
  if (HasNul(program)) return reply.Fail(REEVE_ERROR_ARGUMENT, FailedToExecute(path, ErrnoText(EINVAL)));
  const uint64_t id = request.id;
  const int32_t asked =
      agent().Run(id, program, [this, id](plugin::Started started) { FinishStart(id, std::move(started)); });
  if (asked == REEVE_ERROR_LIMIT) return reply.Fail(asked, FailedToExecute(path, ErrnoText(E2BIG)));
  if (asked != REEVE_OK) return reply.Fail(asked, FailedToExecute(path, "the agent cannot be asked"));
  pending_starts_.emplace(id, PendingStart{std::move(reply), request.channel, path, std::move(*input)});
}

void ExecPlugin::Cancelled(uint64_t request_id) {
  auto pending = pending_starts_.extract(request_id);
  if (!pending.empty()) pending.mapped().reply.Fail(REEVE_ERROR_CANCELLED, "the program could not be started in time");
}

// A program whose start the host was told to have failed must not run on.
void ExecPlugin::FinishStart(uint64_t request_id, plugin::Started started) {
  UniqueFd status(started.status_fd), in(started.stdin_fd), out(started.stdout_fd), err(started.stderr_fd);
  auto extracted = pending_starts_.extract(request_id);
  if (extracted.empty()) {
    if (started.runs) agent().Signal(/*request_id=*/0, started.program, SIGKILL);
    return;
  }
  PendingStart& pending = extracted.mapped();
  if (!started.runs) return Refuse(pending, started.refusal);
  ExecRecord record{.channel = pending.channel, .pid = started.pid, .status = std::move(status)};
  if (in) record.in.emplace(std::move(in), std::move(pending.input));
  const size_t max_bytes = started.max_output_bytes != 0 ? started.max_output_bytes : StreamCapture::kMaxBytes;
  if (out) record.out.emplace(std::move(out), max_bytes);
  if (err) record.err.emplace(std::move(err), max_bytes);
  Follow(records_.Add(std::move(record)));
  ReportHeld();
  pending.reply.Return("{\"pid\": " + std::to_string(started.pid) + "}");
}

void ExecPlugin::Refuse(PendingStart& pending, const plugin::Refusal& refusal) {
  const std::string why = refusal.error_number != 0 ? ErrnoText(refusal.error_number) : refusal.text;
  if (refusal.error_number != 0) agent().Log(REEVE_LOG_INFO, refusal.text);
  pending.reply.Fail(refusal.error_number == EACCES ? REEVE_ERROR_DENIED : REEVE_ERROR_FAILED,
                     FailedToExecute(pending.path, why));
}

void ExecPlugin::Follow(ExecRecord& record) {
  const uint64_t serial = record.serial;
  const auto watch = [this](int fd, uint32_t events, plugin::Agent::OnReady on_ready) {
    if (agent().Watch(fd, events, std::move(on_ready)) == REEVE_OK) return;
    throw plugin::Failure(REEVE_ERROR_FAILED, "a program's pipe cannot be watched");
  };
  watch(record.status.get(), EPOLLIN, [this, serial](uint32_t) { OnStatus(serial); });
  if (record.in) watch(record.in->fd(), EPOLLOUT, [this, serial](uint32_t) { OnInput(serial); });
  for (const auto stream : {&ExecRecord::out, &ExecRecord::err}) {
    if (!(record.*stream)) continue;
    watch((record.*stream)->fd(), EPOLLIN, [this, serial, stream](uint32_t) { OnOutput(serial, stream); });
  }
}

void ExecPlugin::OnStatus(uint64_t serial) {
  ExecRecord& record = *records_.FindSerial(serial);
  reeve_program_status status{};
  const Result<size_t> got = sys::Read(record.status.get(), {reinterpret_cast<uint8_t*>(&status), sizeof status});
  if (!got && got.error().code() == Code::kUnavailable) return;
  record.end = got && *got == sizeof status ? EndOf(status) : kUnknownEnd;
  if (status.was_timed_out != 0) {
    agent().Log(REEVE_LOG_INFO, "program " + std::to_string(record.pid) + " was ended at its rule's timeout");
  }
  agent().Forget(record.status.get());
  record.status.Reset();
  OnProgress(record);
}

void ExecPlugin::OnInput(uint64_t serial) {
  ExecRecord& record = *records_.FindSerial(serial);
  if (!record.in->Feed()) CloseInput(record);
}

void ExecPlugin::CloseInput(ExecRecord& record) {
  if (!record.in) return;
  agent().Forget(record.in->fd());
  record.in.reset();
}

void ExecPlugin::OnOutput(uint64_t serial, std::optional<StreamCapture> ExecRecord::* stream) {
  ExecRecord& record = *records_.FindSerial(serial);
  StreamCapture& capture = *(record.*stream);
  capture.Drain(scratch_, [this](size_t count) { return records_.KeepBytes(count); });
  ReportHeld();  // others may have gone to make room
  if (!capture.is_ended()) return;
  agent().Forget(capture.fd());
  capture.Close();
  OnProgress(record);
}

// A finished record has nothing open any more, so that it can go at any time.
void ExecPlugin::OnProgress(ExecRecord& record) {
  if (!record.is_finished()) return;
  record.finished_ms = agent().NowMs();
  CloseInput(record);
  SweepLater();
}

void ExecPlugin::SweepLater() {
  if (std::exchange(is_sweep_due_, true)) return;
  agent().After(kSweepMs, [this] {
    is_sweep_due_ = false;
    const bool is_any_left = records_.Expire(agent().NowMs());
    ReportHeld();
    if (is_any_left) SweepLater();
  });
}

void ExecPlugin::ExecStatus(const Request& request, Reply& reply) {
  const Result<ExecRecord*> record = records_.Find(request.channel, request.arguments.Int("pid"));
  if (!record) return reply.Fail(REEVE_ERROR_NOT_FOUND, record.error().message());
  if (!(*record)->is_finished()) return reply.Return("{\"exited\": false}");
  if (!WriteFinishedStatus(**record, reply)) {
    return reply.Fail(REEVE_ERROR_CANCELLED, "the reply could not be sent");
  }
  serial_by_settling_request_[request.id] = (*record)->serial;
  reply.WantSettled();
  reply.Finish();
}

void ExecPlugin::Settled(uint64_t request_id, bool was_sent) {
  const auto settling = serial_by_settling_request_.extract(request_id);
  if (settling.empty() || !was_sent) return;
  records_.Erase(settling.mapped());
  ReportHeld();
}

}  // namespace reeve::exec
