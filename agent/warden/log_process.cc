#include "agent/warden/log_process.h"

#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <utility>

#include "agent/sandbox/process_check.h"
#include "agent/warden/confined_process.h"
#include "agent/warden/worker.h"
#include "base/log.h"

namespace reeve::warden {
namespace {

// It says no hello: it stands confined within their product, or it is ended.
constexpr std::chrono::milliseconds kCheckDelay{500};
constexpr int kChecks = 20;

constexpr std::chrono::seconds kRestartDelay{1};

}  // namespace

LogProcess::LogProcess(const Parts& parts, std::function<void()> on_change,
                       std::function<void(const Error&)> on_failure)
    : parts_(parts), on_change_(std::move(on_change)), on_failure_(std::move(on_failure)) {}

LogProcess::~LogProcess() {
  if (channel_) SetLogSink(nullptr);
}

bool LogProcess::IsWanted() const {
  return !parts_.config.log.log_file.empty() || !parts_.config.log.audit_file.empty();
}

Status LogProcess::Open() {
  sockets_ = REEVE_TRY(sys::SocketPair(SOCK_SEQPACKET));
  channel_ = std::make_unique<wire::LogChannel>(REEVE_TRY(sys::Duplicate(sockets_.second.get())));
  return {};
}

void LogProcess::Prepare() {
  if (is_stopping_) return;
  WantedFiles wanted;
  wanted.binary = parts_.binary_directory + "/reeve-log";
  wanted.log_file = parts_.config.log.log_file;
  wanted.audit_file = parts_.config.log.audit_file;
  PrepareFiles(parts_.preparers, wanted, [this](Result<PreparedFiles> files) {
    if (is_stopping_) return;
    const Status started = files ? Start(std::move(*files)) : Status(Fail(files.error()));
    started ? on_change_() : on_failure_(started.error());
  });
}

Status LogProcess::Start(PreparedFiles files) {
  ConfinedSetup setup{.profile = &parts_.config.log_process,
                      .argv = {"reeve-log"},
                      .files = {},
                      .fds = {},
                      .run_directory = parts_.config.run_directory,
                      .plugin_path = {}};
  setup.Place(REEVE_TRY(sys::Duplicate(STDERR_FILENO)), STDERR_FILENO);
  setup.Place(REEVE_TRY(sys::Duplicate(parts_.blob.get())), sandbox::kPolicyFd);
  setup.Place(REEVE_TRY(sys::Duplicate(sockets_.first.get())), wire::kLogRecordsFd);
  if (files.log_file) setup.Place(std::move(files.log_file), wire::kLogFileFd);
  if (files.audit_file) setup.Place(std::move(files.audit_file), wire::kAuditFileFd);
  setup.files = std::move(files);
  Child child = REEVE_TRY(StartConfined(parts_.loop, setup));
  pid_ = child.pid;
  if (!parts_.config.log.log_file.empty()) SetLogSink(channel_.get());
  Check(pid_, kChecks);
  return parts_.reaper.Watch(std::move(child), [this](int wait_status) { Ended(wait_status); });
}

void LogProcess::Check(pid_t pid, int attempts_left) {
  parts_.loop.After(kCheckDelay, [this, pid, attempts_left] {
    if (pid_ != pid) return;
    const auto expected = sandbox::Expect(parts_.config.log_process, sandbox::Stage::kRun, {});
    const Status checked = expected ? sandbox::CheckProcess(pid, *expected) : Status(Fail(expected.error()));
    if (checked) return;
    if (attempts_left > 1) return Check(pid, attempts_left - 1);
    LogError("reeve-log is ended: " + checked.error().message());
    parts_.reaper.Signal(pid, SIGKILL);
  });
}

void LogProcess::Ended(int wait_status) {
  pid_ = -1;
  on_change_();
  if (is_stopping_) return;
  LogError("reeve-log has ended: " + EndInWords(wait_status));
  parts_.loop.After(kRestartDelay, [this] { Prepare(); });
}

}  // namespace reeve::warden
