#include "plugins/inventory/program_output.h"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/bytes.h"
#include "base/sys.h"
#include "plugins/inventory/plain_text.h"

namespace reeve::inventory {
namespace {

// Of what it complained about the beginning is told to the host, whose errors are at most 4 KiB.
constexpr size_t kMaxErrorBytes = 1024;

// Reads what is there and keeps the first `limit_bytes`, so that no program waits for a full pipe. False at the stream's
// end. `is_too_much` becomes true when something was not kept.
bool Drain(int fd, size_t limit_bytes, std::string& kept, bool& is_too_much) {
  std::array<uint8_t, 16384> piece{};
  for (;;) {
    const Result<size_t> got = sys::Read(fd, piece);
    if (!got) return got.error().code() == Code::kUnavailable;
    if (*got == 0) return false;
    const size_t count = std::min(*got, limit_bytes - kept.size());
    kept.append(reinterpret_cast<const char*>(piece.data()), count);
    if (count < *got) is_too_much = true;
  }
}

std::string Behind(std::string text, std::string_view complained) {
  std::string more = PlainText(complained, kMaxErrorBytes);
  more.erase(more.find_last_not_of(' ') + 1);
  return more.empty() ? text : std::move(text) + ": " + more;
}

Result<std::string> TextOf(const std::string& name, const reeve_program_status* status, std::string said,
                           const std::string& complained, bool is_too_much) {
  if (status == nullptr) return Fail(Code::kSystem, Behind(name + " ended without a status", complained));
  if (status->was_timed_out != 0) return Fail(Code::kTimedOut, Behind(name + " did not end in time", complained));
  if (status->kind != REEVE_PROGRAM_EXITED) {
    return Fail(Code::kSystem, Behind(name + " was ended by signal " + std::to_string(status->value), complained));
  }
  if (status->value != 0) {
    return Fail(Code::kSystem, Behind(name + " failed with exit code " + std::to_string(status->value), complained));
  }
  if (is_too_much) return Fail(Code::kTooLarge, name + " said more than can be read");
  return said;
}

ProgramOutput Refused(const std::string& name, const plugin::Refusal& refusal) {
  const Code code = refusal.error_number == 0 ? Code::kDenied : Code::kUnsupported;
  const std::string text = refusal.error_number == 0 ? refusal.text : name + ": " + ErrnoText(refusal.error_number);
  return {.is_missing = refusal.error_number == ENOENT, .text = Fail(code, text)};
}

}  // namespace

void ProgramReader::Read(uint64_t request_id, std::vector<std::string> words, OnRead on_read) {
  waiting_.push_back({request_id, std::move(words), std::move(on_read)});
  AskWaiting();
}

void ProgramReader::AskWaiting() {
  while (!waiting_.empty() && under_way_ < kMaxRunning) {
    Question question = std::move(waiting_.front());
    waiting_.pop_front();
    ++under_way_;
    Ask(std::move(question));
  }
}

void ProgramReader::Ask(Question question) {
  const std::string name = question.words.front();
  const plugin::Program program{.arguments = std::move(question.words),
                                .environment = std::nullopt,
                                .streams = REEVE_STREAM_STDOUT | REEVE_STREAM_STDERR};
  const auto on_started = [this, name, on_read = question.on_read](plugin::Started started) {
    if (!started.runs) return EndOne(on_read, Refused(name, started.refusal));
    Follow(name, std::move(started), on_read);
  };
  if (agent_.Run(question.request_id, program, on_started) == REEVE_OK) return;
  EndOne(question.on_read, {.text = Fail(Code::kDenied, "the agent cannot be asked to run " + name)});
}

void ProgramReader::EndOne(const OnRead& on_read, ProgramOutput output) {
  --under_way_;
  on_read(std::move(output));
  AskWaiting();
}

void ProgramReader::Follow(std::string name, plugin::Started started, OnRead on_read) {
  const uint64_t serial = next_serial_++;
  Running& running = running_[serial];
  running.name = std::move(name);
  running.status = std::move(started.status_fd);
  running.output = std::move(started.stdout_fd);
  running.errors = std::move(started.stderr_fd);
  running.on_read = std::move(on_read);
  agent_.SetHeld(running_.size());
  Watch(running.status, [this, serial](uint32_t) { OnStatus(serial); });
  Watch(running.output, [this, serial](uint32_t) { OnOutput(serial); });
  Watch(running.errors, [this, serial](uint32_t) { OnErrors(serial); });
}

void ProgramReader::Watch(const plugin::Descriptor& fd, plugin::Agent::OnReady on_ready) {
  if (agent_.Watch(fd.get(), EPOLLIN, std::move(on_ready)) == REEVE_OK) return;
  throw plugin::Failure(REEVE_ERROR_FAILED, "a program's pipe cannot be watched");
}

void ProgramReader::Close(plugin::Descriptor& fd) {
  if (!fd) return;
  agent_.Forget(fd.get());
  fd.Reset();
}

void ProgramReader::OnOutput(uint64_t serial) {
  Running& running = running_.at(serial);
  const size_t limit_bytes = std::min(ProgramOutput::kMaxBytes, running.said.size() + BytesLeft());
  if (!Drain(running.output.get(), limit_bytes, running.said, running.is_too_much)) Close(running.output);
}

// A worker has no more memory than that for what all say at once.
size_t ProgramReader::BytesLeft() const {
  size_t said_bytes = 0;
  for (const auto& [serial, running] : running_) said_bytes += running.said.size();
  return ProgramOutput::kMaxBytesOfAll - std::min(said_bytes, ProgramOutput::kMaxBytesOfAll);
}

void ProgramReader::OnErrors(uint64_t serial) {
  Running& running = running_.at(serial);
  bool is_too_much = false;
  if (!Drain(running.errors.get(), kMaxErrorBytes, running.complained, is_too_much)) Close(running.errors);
}

// Whoever it left behind may hold the streams for ever.
void ProgramReader::OnStatus(uint64_t serial) {
  Running& found = running_.at(serial);
  reeve_program_status status{};
  const Result<size_t> got = sys::Read(found.status.get(), {reinterpret_cast<uint8_t*>(&status), sizeof status});
  if (!got && got.error().code() == Code::kUnavailable) return;
  if (found.output) OnOutput(serial);
  if (found.errors) OnErrors(serial);
  Close(found.output);
  Close(found.errors);
  Close(found.status);
  Running ended = std::move(found);
  running_.erase(serial);
  agent_.SetHeld(running_.size());
  const bool is_told = got && *got == sizeof status;
  EndOne(ended.on_read, {.text = TextOf(ended.name, is_told ? &status : nullptr, std::move(ended.said),
                                        ended.complained, ended.is_too_much)});
}

}  // namespace reeve::inventory
