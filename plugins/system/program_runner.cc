#include "plugins/system/program_runner.h"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/bytes.h"
#include "base/sys.h"

namespace reeve::system {

namespace {

// Errors are at most 4 KiB, and may be made of what three programs said.
constexpr size_t kMaxOutputBytes = 1024;
// What is in a full pipe. Who writes without end does not keep the others from their turn.
constexpr int kMaxPiecesPerTurn = 16;

// Reads what is there and keeps the first of it, so that no program waits for a full pipe. False at the stream's end.
bool Drain(int fd, std::string& said) {
  std::array<uint8_t, 4096> piece{};
  for (int pieces = 0; pieces < kMaxPiecesPerTurn; ++pieces) {
    const Result<size_t> got = sys::Read(fd, piece);
    if (!got) return got.error().code() == Code::kUnavailable;
    if (*got == 0) return false;
    const size_t kept = std::min(*got, kMaxOutputBytes - said.size());
    said.append(reinterpret_cast<const char*>(piece.data()), kept);
  }
  return true;
}

std::string WithoutLastLineFeeds(std::string text) {
  text.erase(text.find_last_not_of("\r\n") + 1);
  return text;
}

ProgramEnd EndOf(const reeve_program_status& status) {
  if (status.was_timed_out != 0) return {.kind = ProgramEnd::Kind::kTimedOut, .output = {}, .refusal = {}};
  if (status.kind == REEVE_PROGRAM_EXITED)
    return {.kind = ProgramEnd::Kind::kExited, .value = status.value, .output = {}, .refusal = {}};
  if (status.kind == REEVE_PROGRAM_KILLED)
    return {.kind = ProgramEnd::Kind::kKilled, .value = status.value, .output = {}, .refusal = {}};
  return {};
}

ProgramEnd Refused(plugin::Refusal refusal) {
  return {.kind = ProgramEnd::Kind::kRefused, .output = {}, .refusal = std::move(refusal)};
}

}  // namespace

void ProgramRunner::Run(uint64_t request_id, const std::vector<std::string>& words, OnEnded on_ended) {
  const plugin::Program program{
      .arguments = words, .environment = std::nullopt, .streams = REEVE_STREAM_STDOUT | REEVE_STREAM_MERGED};
  const int32_t asked = agent_.Run(request_id, program, [this, on_ended](plugin::Started started) {
    if (!started.runs) return on_ended(Refused(std::move(started.refusal)));
    Follow(std::move(started), on_ended);
  });
  if (asked != REEVE_OK) on_ended(Refused({0, "the agent cannot be asked to run " + words.front()}));
}

void ProgramRunner::Follow(plugin::Started started, OnEnded on_ended) {
  const uint64_t serial = next_serial_++;
  Running& running = running_[serial];
  running = {std::move(started.status_fd), std::move(started.stdout_fd), "", std::move(on_ended)};
  agent_.SetHeld(running_.size());
  Watch(running.status, [this, serial](uint32_t) { OnStatus(serial); });
  Watch(running.output, [this, serial](uint32_t) { OnOutput(serial); });
}

void ProgramRunner::Watch(const plugin::Descriptor& fd, plugin::Agent::OnReady on_ready) {
  if (agent_.Watch(fd.get(), EPOLLIN, std::move(on_ready)) == REEVE_OK) return;
  throw plugin::Failure(REEVE_ERROR_FAILED, "a program's pipe cannot be watched");
}

void ProgramRunner::OnOutput(uint64_t serial) {
  Running& running = running_.at(serial);
  if (Drain(running.output.get(), running.said)) return;
  agent_.Forget(running.output.get());
  running.output.Reset();
}

// Whoever it left behind may hold the output for ever.
void ProgramRunner::OnStatus(uint64_t serial) {
  Running& found = running_.at(serial);
  reeve_program_status status{};
  const Result<size_t> got = sys::Read(found.status.get(), {reinterpret_cast<uint8_t*>(&status), sizeof status});
  if (!got && got.error().code() == Code::kUnavailable) return;
  if (found.output) {
    Drain(found.output.get(), found.said);
    agent_.Forget(found.output.get());
  }
  agent_.Forget(found.status.get());
  const Running running = std::move(found);
  running_.erase(serial);
  agent_.SetHeld(running_.size());
  ProgramEnd end = got && *got == sizeof status ? EndOf(status) : ProgramEnd{};
  end.output = WithoutLastLineFeeds(running.said);
  running.on_ended(end);
}

}  // namespace reeve::system
