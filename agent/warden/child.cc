#include "agent/warden/child.h"

#include <linux/sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <utility>
#include <vector>

#include "agent/sandbox/descriptors.h"

namespace reeve::warden {
namespace {

constexpr int kForkFailed = 126;

void ResetSignals() {
  ::signal(SIGPIPE, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

[[noreturn]] void RunChild(const ForkOptions& options, const std::function<int()>& body, pid_t warden) {
  if (options.dies_with_warden) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    // It may have died before the line above. In a process id namespace of its own the parent is always 0.
    if (::getppid() != warden && (options.clone_flags & CLONE_NEWPID) == 0) ::_exit(kForkFailed);
  }
  ResetSignals();
  // Descriptors of the warden in a child that sleeps for ever would keep sockets, the lock and listeners alive.
  std::vector<int> kept{STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO};
  kept.insert(kept.end(), options.kept_fds.begin(), options.kept_fds.end());
  if (!sandbox::CloseAllBut(std::move(kept))) ::_exit(kForkFailed);
  ::_exit(body());
}

}  // namespace

Status Child::Signal(int signal) const {
  if (::syscall(SYS_pidfd_send_signal, pidfd.get(), signal, nullptr, 0) < 0 && errno != ESRCH)
    return FailErrno("signal process " + std::to_string(pid));
  return {};
}

Result<Child> Fork(const ForkOptions& options, const std::function<int()>& body) {
  const pid_t warden = ::getpid();
  int pidfd = -1;
  clone_args arguments{};
  arguments.flags = CLONE_PIDFD | options.clone_flags;
  arguments.pidfd = reinterpret_cast<uint64_t>(&pidfd);
  arguments.exit_signal = SIGCHLD;
  if (options.cgroup_fd >= 0) {
    arguments.flags |= CLONE_INTO_CGROUP;
    arguments.cgroup = static_cast<uint64_t>(options.cgroup_fd);
  }
  const long pid = ::syscall(SYS_clone3, &arguments, sizeof arguments);
  if (pid < 0) return FailErrno("fork");
  if (pid == 0) RunChild(options, body, warden);
  return Child{static_cast<pid_t>(pid), UniqueFd(pidfd)};
}

Reaper::~Reaper() {
  for (const auto& [pid, watched] : children_) loop_.Forget(watched.child.pidfd.get());
}

Status Reaper::Watch(Child child, OnEnd on_end) {
  const pid_t pid = child.pid;
  const Status watched = loop_.Watch(child.pidfd.get(), EPOLLIN, [this, pid](uint32_t) { Reap(pid); });
  if (!watched) static_cast<void>(child.Signal(SIGKILL));
  REEVE_TRY(watched);
  children_.insert_or_assign(pid, Watched{std::move(child), std::move(on_end)});
  return {};
}

void Reaper::Signal(pid_t pid, int signal) {
  const auto found = children_.find(pid);
  if (found != children_.end()) static_cast<void>(found->second.child.Signal(signal));
}

void Reaper::Reap(pid_t pid) {
  const auto found = children_.find(pid);
  if (found == children_.end()) return;
  int status = 0;
  // pidfd_open(2): readable when the process has ended; then this cannot wait.
  if (::waitpid(pid, &status, WNOHANG) == 0) return;
  Watched ended = std::move(found->second);
  children_.erase(found);
  loop_.Forget(ended.child.pidfd.get());
  ended.on_end(status);
}

}  // namespace reeve::warden
