#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <vector>

#include "agent/config/blob.h"
#include "agent/log/log_files.h"
#include "agent/sandbox/confine_child.h"
#include "agent/sandbox/sandbox.h"
#include "base/log.h"
#include "base/sys.h"

// reeve-log: holds log and audit files and writes what core and warden send. Nothing else is in this process.

namespace reeve::log {
namespace {

struct Setup {
  UniqueFd records;
  LogFiles files;
  std::vector<uint8_t> run_filter;
};

UniqueFd IfPlaced(int number) {
  return UniqueFd(::fcntl(number, F_GETFD) < 0 ? -1 : number);
}

Result<Setup> ReceiveSetup() {
  const UniqueFd blob(sandbox::kPolicyFd);
  auto config = REEVE_TRY(config::FromSealedFile(blob.get()));
  return Setup{UniqueFd(wire::kLogRecordsFd), LogFiles(IfPlaced(wire::kLogFileFd), IfPlaced(wire::kAuditFileFd)),
               std::move(config.log_process.run_filter)};
}

Status EnterSandbox(const Setup& setup) {
  sandbox::SandboxEntry entry;
  entry.run_filter = setup.run_filter;
  REEVE_TRY(sandbox::EnterLoad(entry));
  return sandbox::EnterRun(entry);
}

// Waits for records and for the disk; ends when the last writer has gone.
Status Serve(Setup& setup) {
  std::vector<uint8_t> packet(sizeof(wire::LogRecordHeader) + wire::kMaxLogTextBytes);
  while (true) {
    const size_t size = REEVE_TRY(sys::Read(setup.records.get(), packet));
    if (size == 0) return {};
    const auto record = wire::ParseLogRecord(Bytes(packet).first(size));
    if (record) setup.files.Write(*record);
    if (!record)
      setup.files.Write({wire::LogKind::kLog, Severity::kWarning, wire::EpochMicroseconds(), record.error().message()});
  }
}

Status Run() {
  Setup setup = REEVE_TRY(ReceiveSetup());
  REEVE_TRY(EnterSandbox(setup));
  return Serve(setup);
}

}  // namespace
}  // namespace reeve::log

int main() {
  reeve::SetLogProcess("reeve-log");
  const reeve::Status status = reeve::log::Run();
  if (!status) reeve::LogError(status.error().message());
  // Without destructors: descriptors at fixed numbers are not ours to close one by one, and exit handlers want
  // calls that the sandbox has not got.
  _exit(status ? EXIT_SUCCESS : EXIT_FAILURE);
}
