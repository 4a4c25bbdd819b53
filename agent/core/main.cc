#include <fcntl.h>
#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "agent/config/blob.h"
#include "agent/core/core.h"
#include "agent/sandbox/confine_child.h"
#include "agent/sandbox/sandbox.h"
#include "agent/wire/start_record.h"
#include "base/log.h"
#include "base/sys.h"

// reeve-core: the only process that reads what the host sends.

namespace reeve::core {
namespace {

// Descriptors that are not for clients: the fixed ones, epoll, the devices, those of a message under way.
constexpr rlim_t kReservedFds = 24 + kMaxControlClients;
constexpr size_t kMaxClients = 256;
// A file piece of some MiB is on its way through all the time while a host copies a file. Its memory is kept for the next
// one instead of going to the kernel and coming back as fresh pages, which cost as much as all the copying; what is above
// this at the heap's end goes back at once. The second number keeps such buffers on the heap.
constexpr int kKeptBytes = 6 * 1024 * 1024;
constexpr int kMappedFrom = 4 * 1024 * 1024;

bool IsPlaced(int number) {
  return ::fcntl(number, F_GETFD) >= 0;
}

Status ReceiveListeners(CoreSetup& setup) {
  int number = wire::kFirstListenerFd;
  for (uint32_t i = 0; i < setup.config.channels.size(); ++i) {
    if (!config::Listens(setup.config.channels[i].transport)) continue;
    auto listener = transport::ListeningSocket::Create(UniqueFd(number++));
    if (!listener) return Fail(listener.error().Within("channel " + setup.config.channels[i].name));
    setup.listeners.emplace_back(i, std::move(*listener));
  }
  return {};
}

// The first inherited socket to journal or syslog, where policy grants one.
int SyslogFd(const policy::SandboxProfile& profile) {
  for (size_t i = 0; i < profile.inherited.size(); ++i) {
    const int number = sandbox::kFirstInheritedFd + static_cast<int>(i);
    if (profile.inherited[i].kind == policy::InheritedFd::Kind::kJournal && IsPlaced(number)) return number;
  }
  return -1;
}

ChannelServer::Limits ReceiveLimits(const config::Config& config) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const rlim_t reserved = kReservedFds + config.plugins.size();
  const rlim_t for_clients = limit.rlim_cur > reserved ? limit.rlim_cur - reserved : 1;
  return {.max_clients = std::min(kMaxClients, static_cast<size_t>(for_clients))};
}

void SendLogTo(CoreSetup& setup) {
  SetLogProcess("reeve-core");
  SetLogLevel(setup.config.log.is_verbose ? Severity::kDebug : Severity::kWarning);
  if (!IsPlaced(wire::kCoreLogFd)) return;
  setup.log = new wire::LogChannel(UniqueFd(wire::kCoreLogFd));  // for the life of the process
  if (!setup.config.log.log_file.empty()) SetLogSink(setup.log);
}

// Everything that needs a call which the run sandbox has not got.
Result<CoreSetup> ReceiveSetup() {
  CoreSetup setup;
  const UniqueFd blob(sandbox::kPolicyFd);
  setup.config = REEVE_TRY(config::FromSealedFile(blob.get()));
  SendLogTo(setup);
  setup.warden = UniqueFd(sandbox::kControlFd);
  REEVE_TRY(sys::SetNonBlocking(setup.warden.get()));
  REEVE_TRY(ReceiveListeners(setup));
  setup.syslog_fd = SyslogFd(setup.config.core);
  setup.limits = ReceiveLimits(setup.config);
  return setup;
}

Status EnterSandbox(const std::vector<uint8_t>& run_filter) {
  sandbox::SandboxEntry entry;
  entry.run_filter = run_filter;
  REEVE_TRY(sandbox::EnterLoad(entry));
  return sandbox::EnterRun(entry);
}

void KeepSomeMemory() {
  ::mallopt(M_MMAP_THRESHOLD, kMappedFrom);
  ::mallopt(M_TRIM_THRESHOLD, kKeptBytes);
}

Status Run() {
  KeepSomeMemory();
  CoreSetup setup = REEVE_TRY(ReceiveSetup());
  MonotonicClock clock(MonotonicClock::Reading::kOncePerTurn);
  EventLoop loop = REEVE_TRY(EventLoop::Create(clock));
  REEVE_TRY(EnterSandbox(setup.config.core.run_filter));
  const auto core = REEVE_TRY(Core::Create(loop, clock, std::move(setup)));
  REEVE_TRY(core->Start());
  REEVE_TRY(loop.Run());
  if (core->was_lost()) return Fail(Code::kClosed, "the core ends");
  return {};
}

}  // namespace
}  // namespace reeve::core

int main() {
  const reeve::Status status = reeve::core::Run();
  if (!status) reeve::LogError(status.error().message());
  // Exit handlers may want calls that the sandbox has not got.
  _exit(status ? EXIT_SUCCESS : EXIT_FAILURE);
}
