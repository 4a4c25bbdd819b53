#include "plugins/exec/program_follower.h"

#include <sys/epoll.h>

#include <string>
#include <utility>

#include "base/sys.h"

namespace reeve::exec {

namespace {

// How often finished records are looked at for their age.
constexpr uint64_t kSweepMs = 60 * 1000;

constexpr int kSignalExitBase = 128;  // as a shell says it

ProgramEnd EndOf(const reeve_program_status& status) {
  const bool was_timed_out = status.was_timed_out != 0;
  if (status.kind == REEVE_PROGRAM_EXITED) return {.exit_code = status.value, .was_timed_out = was_timed_out};
  if (status.kind != REEVE_PROGRAM_KILLED) return kUnknownEnd;
  return {.exit_code = kSignalExitBase + status.value, .signal = status.value, .was_timed_out = was_timed_out};
}

}  // namespace

ExecRecord& ProgramFollower::Follow(ExecRecord new_record) {
  ExecRecord& record = records_.Add(std::move(new_record));
  const uint64_t serial = record.serial;
  Watch(record.status.get(), EPOLLIN, [this, serial](uint32_t) { OnStatus(serial); });
  if (record.in) Watch(record.in->fd(), EPOLLOUT, [this, serial](uint32_t) { OnInput(serial); });
  for (const Stream stream : {&ExecRecord::out, &ExecRecord::err}) {
    if (!(record.*stream)) continue;
    Watch((record.*stream)->fd(), EPOLLIN, [this, serial, stream](uint32_t) { OnOutput(serial, stream); });
  }
  ReportHeld();
  return record;
}

void ProgramFollower::Watch(int fd, uint32_t events, plugin::Agent::OnReady on_ready) {
  if (agent_.Watch(fd, events, std::move(on_ready)) == REEVE_OK) return;
  throw plugin::Failure(REEVE_ERROR_FAILED, "a program's pipe cannot be watched");
}

void ProgramFollower::Drop(uint64_t serial) {
  ExecRecord* const record = records_.FindSerial(serial);
  if (record == nullptr) return;
  CloseStatus(*record);
  CloseInput(*record);
  for (const Stream stream : {&ExecRecord::out, &ExecRecord::err})
    if (record->*stream) CloseOutput(*(record->*stream));
  records_.Erase(serial);
  ReportHeld();
}

void ProgramFollower::OnStatus(uint64_t serial) {
  ExecRecord& record = *records_.FindSerial(serial);
  reeve_program_status status{};
  const Result<size_t> got = sys::Read(record.status.get(), {reinterpret_cast<uint8_t*>(&status), sizeof status});
  if (!got && got.error().code() == Code::kUnavailable) return;
  record.end = got && *got == sizeof status ? EndOf(status) : kUnknownEnd;
  if (record.end->was_timed_out)
    agent_.Log(REEVE_LOG_INFO, "program " + std::to_string(record.pid) + " was ended at its rule's timeout");
  CloseStatus(record);
  OnProgress(record);
}

void ProgramFollower::OnInput(uint64_t serial) {
  ExecRecord& record = *records_.FindSerial(serial);
  if (!record.in->Feed()) CloseInput(record);
}

void ProgramFollower::OnOutput(uint64_t serial, Stream stream) {
  ExecRecord& record = *records_.FindSerial(serial);
  StreamCapture& capture = *(record.*stream);
  capture.Drain(scratch_, [this](size_t count) { return records_.KeepBytes(count); });
  ReportHeld();  // others may have gone to make room
  if (!capture.is_ended()) return;
  CloseOutput(capture);
  OnProgress(record);
}

// A finished record has nothing open any more, so that it can go at any time.
void ProgramFollower::OnProgress(ExecRecord& record) {
  if (!record.is_finished()) return;
  record.finished_ms = agent_.NowMs();
  CloseInput(record);
  SweepLater();
  on_finished_(record);
}

// ---- each is closed once, and forgotten by the loop before

void ProgramFollower::CloseStatus(ExecRecord& record) {
  if (!record.status) return;
  agent_.Forget(record.status.get());
  record.status.Reset();
}

void ProgramFollower::CloseInput(ExecRecord& record) {
  if (!record.in) return;
  agent_.Forget(record.in->fd());
  record.in.reset();
}

void ProgramFollower::CloseOutput(StreamCapture& capture) {
  if (capture.fd() < 0) return;
  agent_.Forget(capture.fd());
  capture.Close();
}

void ProgramFollower::SweepLater() {
  if (std::exchange(is_sweep_due_, true)) return;
  agent_.After(kSweepMs, [this] {
    is_sweep_due_ = false;
    const bool is_any_left = records_.Expire(agent_.NowMs());
    ReportHeld();
    if (is_any_left) SweepLater();
  });
}

}  // namespace reeve::exec
