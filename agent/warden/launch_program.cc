#include "agent/warden/launch_program.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <string_view>

#include "agent/warden/trusted_file.h"
#include "base/sys.h"

namespace reeve::warden {
namespace {

constexpr const char* kFixedPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
// Where GLib's execvp looks without a PATH.
constexpr const char* kDefaultSearchPath = "/bin:/usr/bin:.";
constexpr const char* kShell = "/bin/sh";

// What a service manager says to the service alone.
constexpr std::array<std::string_view, 11> kServiceManagerVariables = {
    "NOTIFY_SOCKET", "LISTEN_PID",        "LISTEN_FDS",      "LISTEN_FDNAMES", "WATCHDOG_PID",    "WATCHDOG_USEC",
    "INVOCATION_ID", "RUNTIME_DIRECTORY", "STATE_DIRECTORY", "JOURNAL_STREAM", "SYSTEMD_EXEC_PID"};

std::string_view NameOf(std::string_view variable) {
  return variable.substr(0, variable.find('='));
}

template <typename Names>
bool Contains(const Names& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

Status PlaceStream(int fd, int number) {
  UniqueFd null_device;
  if (fd < 0) {
    null_device = REEVE_TRY(sys::Open("/dev/null", O_RDWR));
    fd = null_device.get();
  }
  // dup2(2) clears close-on-exec, but not when both are the same.
  if (fd == number) return sys::SetCloseOnExec(fd, false);
  if (::dup2(fd, number) < 0) return FailErrno("place descriptor " + std::to_string(number));
  return {};
}

// Pipes may have got a number below 3 when the warden was started without one of these.
Result<UniqueFd> OutOfTheWay(int fd) {
  if (fd < 0) return UniqueFd();
  const int moved = ::fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  if (moved < 0) return FailErrno("duplicate descriptor");
  return UniqueFd(moved);
}

Status PlaceStreams(const PermittedProgram& program) {
  const UniqueFd in = REEVE_TRY(OutOfTheWay(program.stdin_fd));
  const UniqueFd out = REEVE_TRY(OutOfTheWay(program.stdout_fd));
  const UniqueFd err = REEVE_TRY(OutOfTheWay(program.stderr_fd));
  REEVE_TRY(PlaceStream(in.get(), STDIN_FILENO));
  REEVE_TRY(PlaceStream(out.get(), STDOUT_FILENO));
  return PlaceStream(err.get(), STDERR_FILENO);
}

std::string RealPath(const std::string& path) {
  char resolved[PATH_MAX];
  return ::realpath(path.c_str(), resolved) == nullptr ? "" : resolved;
}

// What a rule runs. Another file than stood there when the policy was read, or one where none did, counts where nobody but root
// can have put it there (ADR 0016).
Result<std::string> FindProgram(const policy::ProgramRule& rule) {
  const policy::ProgramIdentity& known = rule.program;
  const bool was_there = !known.resolved_path.empty();
  const std::string path = was_there ? known.resolved_path : RealPath(rule.run);
  if (path.empty()) return Fail(Error::System(ENOENT, rule.run + " of policy rule '" + rule.name + "'"));
  const UniqueFd fd = REEVE_TRY(sys::Open(path, O_PATH | O_NOFOLLOW));
  const struct stat status = REEVE_TRY(sys::Stat(fd.get()));
  if (!S_ISREG(status.st_mode)) return Fail(Code::kDenied, path + " is no regular file");
  REEVE_TRY(CheckWay(path));
  REEVE_TRY(CheckOwnership(status, path));
  if (was_there && status.st_dev == known.device && status.st_ino == known.inode) return path;
  Status is_roots = CheckWay(path, Sticky::kRefused);
  if (is_roots && !was_there) is_roots = CheckWay(rule.run, Sticky::kRefused);
  if (is_roots) return path;
  const std::string why =
      " when the policy was read, which a restart of the service does again (" + is_roots.error().message() + ")";
  if (!was_there) return Fail(Error::System(ENOENT, path + " was not there" + why));
  return Fail(Code::kDenied, path + " is not the file that stood there" + why);
}

Status Confine(const PermittedProgram& program) {
  const policy::RunAs& as = program.rule.as;
  return sandbox::ConfineProgram({.confinement = program.rule.confine,
                                  .settings = program.settings,
                                  .uid = as.uid,
                                  .gid = as.gid,
                                  .groups = {as.groups.begin(), as.groups.end()},
                                  .state_directory = program.rule.state_directory,
                                  .filter = program.filter});
}

std::vector<char*> Pointers(const std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (const std::string& word : words) pointers.push_back(const_cast<char*>(word.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// Returns the errno. A file without a first line that names its interpreter is the shell's.
int Execute(const std::string& path, const std::vector<std::string>& argv, char** environment) {
  ::execve(path.c_str(), Pointers(argv).data(), environment);
  if (errno != ENOEXEC) return errno;
  std::vector<std::string> shell_argv{kShell, path};
  shell_argv.insert(shell_argv.end(), argv.begin() + 1, argv.end());
  ::execve(kShell, Pointers(shell_argv).data(), environment);
  return errno;
}

// These say that the next directory may have it.
bool MayBeElsewhere(int error_number) {
  return error_number == ENOENT || error_number == ENOTDIR || error_number == EACCES || error_number == ESTALE ||
         error_number == ENODEV || error_number == ETIMEDOUT;
}

// The name with the directory's links resolved (/sbin is /usr/sbin), and the file that it is at last.
Status CheckResolvedNames(const PermittedProgram& program, const std::string& path) {
  if (program.decider == nullptr) return {};
  const size_t slash = path.rfind('/');
  const std::string directory = RealPath(slash == std::string::npos ? "." : path.substr(0, slash + 1));
  for (const std::string& resolved : {directory + "/" + path.substr(slash + 1), RealPath(path)}) {
    const policy::Decision decision =
        program.decider->ResolvedProgram({.path = resolved, .args = std::span(program.argv).subspan(1)});
    if (!decision.is_allowed())
      return Fail(Code::kDenied,
                  path + " is " + resolved + ", " + decision.reason + " (" + decision.origin.ToString() + ")");
  }
  return {};
}

Error ExecuteFirst(const std::vector<std::string>& candidates, const PermittedProgram& program) {
  int result = ENOENT;
  for (const std::string& path : candidates) {
    if (const Status allowed = CheckResolvedNames(program, path); !allowed) return allowed.error();
    const int error_number = Execute(path, program.argv, Pointers(program.environment).data());
    if (result != EACCES || !MayBeElsewhere(error_number))
      result = error_number;  // EACCES wins over "not found" (execvp(3))
    if (!MayBeElsewhere(error_number)) break;
  }
  return Error::System(result, program.argv[0]);
}

// Returns what is to be tried, in order.
Result<std::vector<std::string>> Prepare(const PermittedProgram& program) {
  if (program.argv.empty()) return Fail(Error::System(EINVAL, "no program is named"));
  const pid_t parent = ::getppid();
  REEVE_TRY(PlaceStreams(program));
  // What was checked is run: a link by which the rule names it may stand where others can turn it.
  std::vector<std::string> candidates = program.rule.run == "*" ? Candidates(program.argv[0], program.search_path)
                                                                : std::vector{REEVE_TRY(FindProgram(program.rule))};
  REEVE_TRY(Confine(program));
  // What the service manager may have let the warden ignore, no program expects to be ignored.
  for (const int signal : {SIGPIPE, SIGCHLD}) ::signal(signal, SIG_DFL);
  // The change of identity cleared it (prctl(2)), and the warden may have died since.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) return Fail(Code::kClosed, "the warden is gone");
  return candidates;
}

std::string HomeOf(const policy::ProgramRule& rule) {
  if (rule.confine == policy::Confinement::kSandboxed) return "/tmp";  // the only place that it may write
  return rule.as.home.empty() ? "/" : rule.as.home;
}

}  // namespace

std::vector<std::string> EnvironmentFor(const policy::ProgramRule& rule, const std::vector<std::string>& host,
                                        bool has_host_environment, const std::vector<std::string>& inherited) {
  std::vector<std::string> environment;
  if (rule.inherits_environment) {
    if (has_host_environment) return host;
    for (const std::string& variable : inherited)
      if (!Contains(kServiceManagerVariables, NameOf(variable))) environment.push_back(variable);
    return environment;
  }
  environment = {kFixedPath, "LANG=C.UTF-8", "HOME=" + HomeOf(rule)};
  const auto set = [&](std::string_view name, const std::string& variable) {
    std::erase_if(environment, [&](const std::string& other) { return NameOf(other) == name; });
    environment.push_back(variable);
  };
  for (const std::string& variable : host)
    if (variable.find('=') != std::string::npos && Contains(rule.env_keep, NameOf(variable)))
      set(NameOf(variable), variable);
  for (const auto& [name, value] : rule.env_set) set(name, name + "=" + value);
  return environment;
}

std::string SearchPathFor(const std::vector<std::string>& host, const std::vector<std::string>& inherited) {
  for (const std::vector<std::string>* variables : {&host, &inherited})
    for (const std::string& variable : *variables)
      if (NameOf(variable) == "PATH" && variable.size() > 4) return variable.substr(5);
  return kDefaultSearchPath;
}

std::vector<std::string> Candidates(const std::string& name, const std::string& search_path) {
  if (name.empty()) return {};
  if (name.find('/') != std::string::npos) return {name};
  std::vector<std::string> candidates;
  for (size_t begin = 0; begin <= search_path.size();) {
    const size_t end = std::min(search_path.find(':', begin), search_path.size());
    const std::string directory = search_path.substr(begin, end - begin);
    candidates.push_back(directory.empty() ? name : directory + "/" + name);
    begin = end + 1;
  }
  return candidates;
}

Error LaunchProgram(const PermittedProgram& program) {
  const Result<std::vector<std::string>> candidates = Prepare(program);
  return candidates ? ExecuteFirst(*candidates, program) : candidates.error();
}

}  // namespace reeve::warden
