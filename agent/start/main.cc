#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "agent/sandbox/own_leaf.h"
#include "agent/sandbox/program_confinement.h"
#include "agent/start/compile_configuration.h"
#include "agent/start/daemon.h"
#include "agent/start/layout.h"
#include "agent/start/listeners.h"
#include "agent/start/options.h"
#include "agent/start/ordinary_user.h"
#include "agent/start/qemu_ga_conf.h"
#include "agent/start/run_directory.h"
#include "agent/start/status_facts.h"
#include "agent/start/thaw_leftover.h"
#include "agent/warden/warden.h"
#include "base/clock.h"
#include "base/event_loop.h"
#include "base/log.h"
#include "base/sys.h"

// reeved, the warden: takes what the service manager gave, has the configuration compiled, makes the listening sockets, and
// then serves its core and workers until it is told to stop.

namespace reeve::start {
namespace {

// Shorter than the warden waits for an answer of a child; then it sends another one.
constexpr std::chrono::seconds kStuckPatience{4};

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

// Before anything is forked that is to live on. Where it cannot be, the warden stays where it is.
std::optional<sandbox::OwnLeaf> MakeRoomForLimits(const std::optional<sandbox::CgroupTree>& groups) {
  if (!groups) return std::nullopt;
  Result<sandbox::OwnLeaf> leaf = sandbox::OwnLeaf::Enter(*groups);
  if (leaf) return std::move(*leaf);
  LogWarning("limits of all processes of a program together do not hold: " + leaf.error().message());
  return std::nullopt;
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
  // Who ignores SIGCHLD gets no child's status (waitpid(2)).
  for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_DFL);
  ::umask(0022);   // no socket and no directory of ours is everybody's to write
  rlimit files{};  // each program takes three while it runs, each open two
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return;
  files.rlim_cur = std::min<rlim_t>(files.rlim_max, kWantedFiles);
  ::setrlimit(RLIMIT_NOFILE, &files);
}

// SIGHUP is logged and ignored; SIGPIPE and SIGCHLD say nothing that is not known otherwise.
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
      LogWarning("SIGHUP is ignored");
    else
      warden.BeginStop();
  }
}

// Before going to the background, and for what is opened long after.
void MakeAbsolute(std::string& path) {
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(path, error);
  if (!path.empty() && !error) path = absolute.string();
}

void MakePathsAbsolute(Options& options) {
  MakeAbsolute(options.run_directory);
  MakeAbsolute(options.state_directory);
  MakeAbsolute(options.pid_file);
  if (options.log_file) MakeAbsolute(*options.log_file);
  if (!options.os_release.empty()) MakeAbsolute(options.os_release);
  if (options.names_channel && options.method != "vsock-listen") MakeAbsolute(options.path);
}

// What qemu-ga.conf and the command line come to, the latter last; or a text that was asked for.
Result<ParsedOptions> ReadOptions(int argc, char** argv) {
  Options options;
  if (std::string given = EnvironmentVariable("RUNTIME_DIRECTORY"); !given.empty()) options.run_directory = given;
  options.os_release = EnvironmentVariable("QGA_OS_RELEASE");
  const auto file = WhichConfigurationFile(ConfigurationFileOption(argc, argv), std::getenv("QGA_CONF"));
  REEVE_TRY(LoadConfiguration(file, options));
  return ParseOptions(argc, argv, std::move(options));
}

Result<int> Serve(const Options& options, const Layout& layout, sandbox::InitialSettings settings,
                  int activated_count) {
  // Before anything is written, and whatever comes of it: what is frozen and cannot be thawed is said, and the host is served.
  const Status thawed = ThawLeftover(options.run_directory, Thawing::kFirst);
  if (!thawed) LogError(thawed.error().message());
  const UniqueFd lock = REEVE_TRY(TakeRunDirectory(options.run_directory));
  Compiled compiled = REEVE_TRY(CompileConfiguration(options, layout, activated_count));
  if (options.is_daemon) ::umask(kDaemonUmask);
  std::vector<UniqueFd> listeners = REEVE_TRY(MakeListeners(compiled.config.channels, activated_count));
  std::optional<PidFile> pid_file;
  if (options.is_daemon) {
    pid_file.emplace(REEVE_TRY(BecomeDaemon(options.pid_file)));
    settings.umask = kDaemonUmask;  // its programs find that, as those of qemu-ga do
  }

  MonotonicClock clock;
  EventLoop loop = REEVE_TRY(EventLoop::Create(clock));
  const UniqueFd signals = REEVE_TRY(TakeSignals());
  warden::WorkerAsks::Surroundings surroundings = REEVE_TRY(TakeSurroundings(settings, options.run_directory));
  const std::optional<sandbox::OwnLeaf> own_leaf = MakeRoomForLimits(surroundings.groups);
  const std::unique_ptr<warden::Warden> warden =
      REEVE_TRY(warden::Warden::Create(loop, {.config = std::move(compiled.config),
                                              .blob = std::move(compiled.blob),
                                              .listeners = std::move(listeners),
                                              .surroundings = std::move(surroundings),
                                              .binary_directory = layout.binaries,
                                              .notify_socket = EnvironmentVariable("NOTIFY_SOCKET"),
                                              .facts = GatherFacts(std::move(compiled.note)),
                                              .thaw_for_stuck_worker = [directory = options.run_directory] {
                                                return ThawForStuckWorker(directory, kStuckPatience);
                                              }}));
  REEVE_TRY(loop.Watch(signals.get(), EPOLLIN, [&](uint32_t) { OnSignal(signals.get(), *warden); }));
  REEVE_TRY(warden->Start());
  REEVE_TRY(loop.Run());
  loop.Forget(signals.get());
  return warden->exit_code();
}

int Print(const std::string& text, int exit_code) {
  std::fputs(text.c_str(), stdout);
  return exit_code;
}

// The exit code.
Result<int> Run(int argc, char** argv) {
  const sandbox::InitialSettings settings = REEVE_TRY(sandbox::InitialSettings::Take());
  const int activated_count = TakeActivatedCount();
  SettleProcess();
  ParsedOptions parsed = REEVE_TRY(ReadOptions(argc, argv));
  if (!parsed.options) return Print(parsed.output, parsed.exit_code);
  Options& options = *parsed.options;
  if (options.is_verbose) SetLogLevel(Severity::kDebug);
  if (options.thaws) {
    REEVE_TRY(ThawLeftover(options.run_directory, Thawing::kOnDemand));
    return EXIT_SUCCESS;
  }
  Layout layout = REEVE_TRY(FindLayout());
  if (!options.binary_directory.empty()) layout.binaries = options.binary_directory;
  if (options.lists_commands) return Print(REEVE_TRY(ListCommands(options, layout)), EXIT_SUCCESS);
  const std::string activated_method = REEVE_TRY(ActivatedMethod(activated_count));
  REEVE_TRY(Complete(options, activated_method));
  if (options.dumps_configuration) return Print(DumpConfiguration(options), EXIT_SUCCESS);
  REEVE_TRY(CheckMethod(options));
  REEVE_TRY(SettleUser(::geteuid(), EnvironmentVariable, options));
  MakePathsAbsolute(options);
  return Serve(options, layout, settings, activated_count);
}

int Main(int argc, char** argv) {
  SetLogProcess("reeved");
  const Result<int> ended = Run(argc, argv);
  if (ended) return *ended;
  LogError(ended.error().message());
  return EXIT_FAILURE;
}

}  // namespace
}  // namespace reeve::start

int main(int argc, char** argv) {
  return reeve::start::Main(argc, argv);
}
