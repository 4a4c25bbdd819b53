#include "agent/worker/worker.h"

#include <fcntl.h>

#include <string>
#include <utility>

#include "agent/sandbox/sandbox.h"
#include "agent/worker/fence.h"
#include "base/sys.h"

namespace reeve::worker {
namespace {

// Against a change while it is read, and of its size.
constexpr int kRecordSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

sandbox::SandboxEntry EntryOf(const wire::StartRecord& record) {
  return {.locks_memory = record.locks_memory, .load_filter = record.load_filter, .run_filter = record.run_filter};
}

}  // namespace

void Worker::CoreLog::Attach(wire::CoreLink* link) {
  const std::lock_guard lock(mutex_);
  link_ = link;
}

void Worker::CoreLog::Write(Severity severity, std::string_view line) {
  {
    const std::lock_guard lock(mutex_);
    if (link_ != nullptr && link_->Log(severity, line)) return;
  }
  const std::string text = "reeve-worker: " + std::string(SeverityName(severity)) + ": " + std::string(line) + "\n";
  static_cast<void>(sys::Write(STDERR_FILENO, AsBytes(text)));
}

Status Worker::ReceiveSetup() {
  const int seals = REEVE_TRY(sys::Seals(fds_.record.get()));
  if ((seals & kRecordSeals) != kRecordSeals) return Fail(Code::kBadMessage, "the start record is not sealed");
  std::vector<uint8_t> bytes(static_cast<size_t>(REEVE_TRY(sys::Stat(fds_.record.get())).st_size));
  if (bytes.size() > wire::kMaxStartRecordBytes) return Fail(Code::kTooLarge, "the start record is too long");
  if (REEVE_TRY(sys::ReadAt(fds_.record.get(), bytes, 0)) != bytes.size())
    return Fail(Code::kBadMessage, "the start record is cut");
  record_ = REEVE_TRY(wire::DecodeStartRecord(bytes));
  fds_.record.Reset();
  if (record_.freezes) stop_signal_.Take();
  // Before the plugin can have any thread.
  SetLogSink(&log_);
  requests_.emplace(REEVE_TRY(wire::RingReader::Create(fds_.ring_in.get())));
  replies_.emplace(REEVE_TRY(wire::RingWriter::Create(fds_.ring_out.get())));
  fds_.ring_in.Reset();
  fds_.ring_out.Reset();
  loop_.emplace(REEVE_TRY(EventLoop::Create(clock_)));
  warden_.emplace(std::move(fds_.control), record_.generation);
  services_ = REEVE_TRY(AgentServices::Create(
      *loop_, *warden_,
      {record_.handle_base, record_.handle_count, record_.inherited_names, fds_.first_inherited, record_.freezes}));
  return {};
}

Status Worker::EnterLoadSandbox() {
  REEVE_TRY(sandbox::EnterLoad(EntryOf(record_)));
  return warden_->ReportConfined();
}

Status Worker::LoadPlugin() {
  const Expected expected{record_.id, record_.version, record_.abi_major, record_.abi_min_minor, record_.commands};
  loaded_ = REEVE_TRY(worker::LoadPlugin(record_.plugin_path, expected, record_.settings_json, services_->abi(),
                                         /*on_checked=*/[this] { services_->OpenInterfaces(); }));
  return {};
}

Status Worker::EnterRunSandbox() {
  REEVE_TRY(sandbox::EnterRun(EntryOf(record_)));
  const reeve_plugin& plugin = loaded_.plugin;
  if (plugin.start != nullptr) {
    const int32_t status = Fenced([&] { return plugin.start(plugin.self); });
    if (status != REEVE_OK)
      return Fail(Code::kInvalidArgument, "the plugin's start failed with status " + std::to_string(status));
  }
  return warden_->ReportReady(REEVE_ABI_MAJOR, loaded_.agreed.abi_minor, record_.commands);
}

Status Worker::Serve() {
  server_ = std::make_unique<RequestServer>(*loop_, loaded_, [this] { End(); });
  loop_->AlsoTimes([this] { return !server_->is_idle(); });
  if (record_.freezes) REEVE_TRY(OutliveCore());
  REEVE_TRY(Connect(std::move(fds_.core), std::move(*requests_), std::move(*replies_)));
  REEVE_TRY(warden_->Serve(
      *loop_, [this] { record_.freezes ? End() : server_->EndWhenIdle(); },
      [this](const Error& error) {
        if (error.code() != Code::kClosed) lost_ = error.Within("the warden");
        End();
      }));
  REEVE_TRY(loop_->Run());
  REEVE_TRY(Deactivate());
  if (lost_) return Fail(*lost_);
  return {};
}

Status Worker::Connect(UniqueFd socket, wire::RingReader requests, wire::RingWriter replies) {
  core_ = REEVE_TRY(wire::CoreLink::Create(*loop_, std::move(socket), std::move(requests), std::move(replies),
                                           record_.generation, *server_));
  server_->Attach(core_);
  services_->OnRenew([this] { core_->Renew(); });
  if (record_.freezes)
    services_->OnFreezeNote([this](const auto& note) { core_->NoteFreeze(note.time_left_ms, note.why); });
  services_->OnHold([this](uint64_t held) {
    core_->Hold(held);
    if (record_.freezes) warden_->TellHeld(held);
  });
  log_.Attach(core_.get());
  return {};
}

// What is frozen has no other keeper than this process: it ends only when nobody is left to say until when.
Status Worker::OutliveCore() {
  server_->OutliveCore();
  services_->OnQuiesce([this](uint64_t number) {
    core_->Quiesce(number);
    warden_->Quiesce(number);
  });
  server_->WhenQuiet([this](uint64_t number) { services_->NoteQuiet(AgentServices::QuietPart::kCore, number); });
  warden_->OnQuiet([this](uint64_t number) { services_->NoteQuiet(AgentServices::QuietPart::kWarden, number); });
  warden_->OnNewCore([this](UniqueFd socket) { Reconnect(std::move(socket)); });
  return stop_signal_.Watch(*loop_, [this] { End(); });
}

void Worker::Reconnect(UniqueFd socket) {
  log_.Attach(nullptr);
  wire::CoreLink::Rings rings = core_->GiveUp();
  const Status connected = Connect(std::move(socket), std::move(rings.reader), std::move(rings.writer));
  // That one is gone too; if nobody else comes, the warden is.
  if (!connected) LogWarning(connected.error().Within("the next core").message());
}

void Worker::End() {
  loop_->Stop();
}

Status Worker::Deactivate() {
  const reeve_plugin& plugin = loaded_.plugin;
  if (plugin.deactivate == nullptr) return {};
  const int32_t status = Fenced([&] { return plugin.deactivate(plugin.self); });
  if (status == REEVE_OK) return {};
  return Fail(Code::kInvalidArgument, "the plugin's deactivate failed with status " + std::to_string(status));
}

}  // namespace reeve::worker
