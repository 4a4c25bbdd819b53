#include "tests/sandbox/confined_process.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utility>

#include "agent/sandbox/filter/filter_compile.h"
#include "base/check.h"
#include "base/sys.h"

namespace reeve {
namespace {

// From the range's upper end; no Reeve that runs beside these tests hands out so many.
constexpr uint32_t kWorkerUid = 78240;
constexpr uint32_t kCoreUid = 78241;

policy::SandboxProfile Compile(policy::SandboxProfile profile) {
  const Status compiled = sandbox::CompileFilters(profile);
  REEVE_CHECK(compiled.has_value());
  return profile;
}

std::string BinaryPath(const std::string& binary) {
  return binary.front() == '/' ? binary : std::string(REEVE_BINARY_DIR "/bin/") + binary;
}

Result<UniqueFd> FiltersInMemory(const policy::SandboxProfile& profile) {
  UniqueFd file = REEVE_TRY(sys::MemoryFile("filters", 0));
  const attacks::FilterSizes sizes{profile.load_filter.size(), profile.run_filter.size()};
  REEVE_TRY(sys::WriteAll(file.get(), BytesOf(sizes)));
  REEVE_TRY(sys::WriteAll(file.get(), profile.load_filter));
  REEVE_TRY(sys::WriteAll(file.get(), profile.run_filter));
  return file;
}

std::vector<std::string> ArgumentsFor(const ConfinedProcess::Options& options) {
  if (!options.argv.empty()) return options.argv;
  return {"sandbox_attacker", options.step, options.act};
}

}  // namespace

const policy::SandboxProfile& TestWorker() {
  static const policy::SandboxProfile profile = [] {
    policy::SandboxProfile worker;
    worker.name = "test";
    worker.uid = kWorkerUid;
    worker.promises = {policy::Promise::kThreads};
    return Compile(worker);
  }();
  return profile;
}

const policy::SandboxProfile& TestCore() {
  static const policy::SandboxProfile profile = [] {
    policy::SandboxProfile core;
    core.name = "core";
    core.role = policy::Role::kCore;
    core.uid = kCoreUid;
    return Compile(core);
  }();
  return profile;
}

Result<ConfinedProcess> ConfinedProcess::StartSilent(const policy::SandboxProfile& profile, const Options& options) {
  const UniqueFd binary = REEVE_TRY(sys::Open(BinaryPath(options.binary), O_PATH));
  const UniqueFd filters = REEVE_TRY(FiltersInMemory(profile));
  sys::TwoFds control = REEVE_TRY(sys::SocketPair(SOCK_SEQPACKET));
  sys::TwoFds report = REEVE_TRY(sys::Pipe());
  sys::TwoFds output = REEVE_TRY(sys::Pipe());

  sandbox::ChildPlan plan;
  plan.profile = &profile;
  plan.binary_fd = binary.get();
  plan.argv = ArgumentsFor(options);
  plan.fds = {
      {output.second.get(), 2}, {control.second.get(), sandbox::kControlFd}, {filters.get(), sandbox::kPolicyFd}};
  plan.fds.insert(plan.fds.end(), options.extra_fds.begin(), options.extra_fds.end());
  plan.plugin_fd = options.plugin_fd;
  plan.run_directory = options.run_directory;
  plan.slave_mount_directory = "/mnt";
  plan.warden_pid = options.warden_pid != 0 ? options.warden_pid : ::getpid();
  plan.report_fd = report.second.get();

  ConfinedProcess process;
  process.pid_ = ::fork();
  if (process.pid_ < 0) return FailErrno("fork");
  if (process.pid_ == 0) sandbox::ConfineAndExec(plan);
  report.second.Reset();
  process.control_ = std::move(control.first);
  process.output_ = std::move(output.first);
  const std::string said = REEVE_TRY(sys::ReadToEnd(report.first.get(), sandbox::kMaxConfineReportBytes));
  process.report_ = sandbox::ParseConfineReport(said);
  if (!process.report_.failure.empty()) return Fail(Code::kSystem, process.report_.failure);
  return process;
}

Result<ConfinedProcess> ConfinedProcess::Start(const policy::SandboxProfile& profile, const Options& options) {
  ConfinedProcess process = REEVE_TRY(StartSilent(profile, options));
  REEVE_TRY(process.WaitUntilReady());
  return process;
}

Status ConfinedProcess::WaitUntilReady() {
  attacks::AttackReport ready;
  const ssize_t got = ::recv(control_.get(), &ready, sizeof ready, 0);
  if (got == sizeof ready && ready.kind == attacks::kReady) return {};
  return Fail(Code::kClosed, "the process ended before it was ready");
}

ConfinedProcess::ConfinedProcess(ConfinedProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      control_(std::move(other.control_)),
      output_(std::move(other.output_)),
      report_(std::move(other.report_)) {}

ConfinedProcess::~ConfinedProcess() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

ConfinedProcess::End ConfinedProcess::Finish() {
  ::send(control_.get(), "!", 1, MSG_NOSIGNAL);
  End end;
  attacks::AttackReport report;
  if (::recv(control_.get(), &report, sizeof report, 0) == sizeof report) end.report = report;
  ::waitpid(pid_, &end.status, 0);
  pid_ = -1;
  return end;
}

std::string ConfinedProcess::Output() {
  constexpr size_t kMaxOutputBytes = 64 << 10;
  return sys::ReadToEnd(output_.get(), kMaxOutputBytes).value_or("(unreadable)");
}

}  // namespace reeve
