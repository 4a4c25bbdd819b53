#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "agent/sandbox/program_confinement.h"
#include "agent/start/compile_configuration.h"
#include "agent/start/layout.h"
#include "agent/start/listeners.h"
#include "agent/start/options.h"
#include "agent/start/ordinary_user.h"
#include "agent/start/run_directory.h"
#include "agent/warden/warden.h"
#include "base/clock.h"
#include "base/event_loop.h"
#include "base/log.h"
#include "base/sys.h"

// reeved, the warden: takes what the service manager gave, has the configuration compiled, makes the listening sockets, and
// then serves its core and workers until it is told to stop.

namespace reeve::start {
namespace {

constexpr rlim_t kWantedFiles = 8192;

std::string EnvironmentVariable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::vector<std::string> Environment() {
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) variables.emplace_back(*variable);
  return variables;
}

// By its identity, not its path: other mount namespaces have other directories of the same path.
Result<std::string> GroupPrefix(const std::string& run_directory) {
  const UniqueFd directory = REEVE_TRY(sys::Open(run_directory, O_PATH | O_DIRECTORY));
  const struct stat status = REEVE_TRY(sys::Stat(directory.get()));
  return "reeve-" + std::to_string(status.st_dev) + "-" + std::to_string(status.st_ino) + "-";
}

// Whoever used the run directory before is gone, for it is locked; what its programs left behind is ended now.
Result<warden::WorkerAsks::Surroundings> TakeSurroundings(const sandbox::InitialSettings& settings,
                                                          const std::string& run_directory) {
  warden::WorkerAsks::Surroundings surroundings{.settings = settings,
                                                .environment = Environment(),
                                                .groups = std::nullopt,
                                                .group_prefix = REEVE_TRY(GroupPrefix(run_directory))};
  Result<sandbox::CgroupTree> groups = sandbox::CgroupTree::Find();
  if (groups) groups->RemoveStaleLeaves(surroundings.group_prefix);
  if (groups) surroundings.groups = std::move(*groups);
  if (!groups) LogWarning("what a program leaves behind cannot be ended with it: " + groups.error().message());
  return surroundings;
}

// A log that nobody reads must not hold the warden: what does not fit is dropped (base/log.h). The open file may be shared
// with others, so it is opened anew; a socket cannot be, and is the service manager's for this service alone.
void MakeLogNonBlocking() {
  const Result<UniqueFd> own = sys::Open("/proc/self/fd/2", O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY);
  if (own)
    ::dup2(own->get(), STDERR_FILENO);
  else
    static_cast<void>(sys::SetNonBlocking(STDERR_FILENO));
}

// Whatever this process was started with; its programs get that back (InitialSettings).
void SettleProcess() {
  MakeLogNonBlocking();
  ::umask(0022);   // no socket and no directory of ours is everybody's to write
  rlimit files{};  // each program takes three while it runs, each open two
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return;
  files.rlim_cur = std::min<rlim_t>(files.rlim_max, kWantedFiles);
  ::setrlimit(RLIMIT_NOFILE, &files);
}

// SIGHUP is logged and ignored (decision M25); SIGPIPE and SIGCHLD say nothing that is not known otherwise.
Result<UniqueFd> TakeSignals() {
  ::signal(SIGPIPE, SIG_IGN);
  sigset_t taken;
  sigemptyset(&taken);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&taken, signal);
  if (::sigprocmask(SIG_BLOCK, &taken, nullptr) != 0) return FailErrno("block signals");
  UniqueFd signals(::signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals) return FailErrno("signalfd");
  return signals;
}

void OnSignal(int signals_fd, warden::Warden& warden) {
  signalfd_siginfo signal{};
  while (sys::Read(signals_fd, {reinterpret_cast<uint8_t*>(&signal), sizeof signal})) {
    if (signal.ssi_signo == SIGHUP)
      LogInfo("SIGHUP is ignored");
    else
      warden.BeginStop();
  }
}

Result<int> Serve(Options options, const sandbox::InitialSettings& settings, int activated_count) {
  Layout layout = REEVE_TRY(FindLayout());
  if (!options.binary_directory.empty()) layout.binaries = options.binary_directory;
  if (options.lists_commands) {
    std::fputs(REEVE_TRY(ListCommands(options, layout)).c_str(), stdout);
    return EXIT_SUCCESS;
  }
  REEVE_TRY(SettleUser(::geteuid(), EnvironmentVariable, options));
  const UniqueFd lock = REEVE_TRY(TakeRunDirectory(options.run_directory));
  Compiled compiled = REEVE_TRY(CompileConfiguration(options, layout, activated_count));
  std::vector<UniqueFd> listeners = REEVE_TRY(MakeListeners(compiled.config.channels, activated_count));

  MonotonicClock clock;
  EventLoop loop = REEVE_TRY(EventLoop::Create(clock));
  const UniqueFd signals = REEVE_TRY(TakeSignals());
  warden::WorkerAsks::Surroundings surroundings = REEVE_TRY(TakeSurroundings(settings, options.run_directory));
  const std::unique_ptr<warden::Warden> warden =
      REEVE_TRY(warden::Warden::Create(loop, {.config = std::move(compiled.config),
                                              .blob = std::move(compiled.blob),
                                              .listeners = std::move(listeners),
                                              .surroundings = std::move(surroundings),
                                              .binary_directory = layout.binaries,
                                              .notify_socket = EnvironmentVariable("NOTIFY_SOCKET")}));
  REEVE_TRY(loop.Watch(signals.get(), EPOLLIN, [&](uint32_t) { OnSignal(signals.get(), *warden); }));
  REEVE_TRY(warden->Start());
  REEVE_TRY(loop.Run());
  loop.Forget(signals.get());
  return warden->exit_code();
}

int Main(int argc, char** argv) {
  SetLogProcess("reeved");
  const Result<sandbox::InitialSettings> settings = sandbox::InitialSettings::Take();
  const int activated_count = TakeActivatedCount();
  SettleProcess();
  const ParsedOptions parsed = ParseOptions(argc, argv, std::getenv("RUNTIME_DIRECTORY"));
  if (!parsed.options) {
    std::fputs(parsed.output.c_str(), stdout);
    return parsed.exit_code;
  }
  if (parsed.options->is_verbose) SetLogLevel(Severity::kDebug);
  const Result<int> served =
      settings ? Serve(*parsed.options, *settings, activated_count) : Result<int>(Fail(settings.error()));
  if (served) return *served;
  LogError(served.error().message());
  return EXIT_FAILURE;
}

}  // namespace
}  // namespace reeve::start

int main(int argc, char** argv) {
  return reeve::start::Main(argc, argv);
}
