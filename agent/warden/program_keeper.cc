#include "agent/warden/program_keeper.h"

#include <linux/sched.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "agent/sandbox/descriptors.h"
#include "agent/warden/child.h"
#include "base/sys.h"

namespace reeve::warden {
namespace {

constexpr int kKeepingFailed = 127;

int WaitFor(pid_t pid) {
  int status = 0;
  for (;;) {
    const pid_t ended = ::waitpid(pid, &status, 0);
    if (ended == pid || (ended < 0 && errno != EINTR)) return status;
  }
}

// The first process of the namespace: no signal without a handler reaches it (pid_namespaces(7)).
int BeFirst(const std::vector<int>& kept_fds, const std::function<int()>& body,
            const std::function<void(const Error&)>& tell, int status_fd) {
  const Result<Child> program = Fork({.kept_fds = kept_fds}, body);
  if (!program) {
    tell(program.error());
    return kKeepingFailed;
  }
  // The program's streams must be at their end when the program closes them.
  if (!sandbox::CloseAllBut({status_fd})) return kKeepingFailed;
  for (;;) {
    int status = 0;
    const pid_t ended = ::waitpid(-1, &status, 0);
    if (ended < 0 && errno != EINTR) return kKeepingFailed;
    if (ended == program->pid) return sys::WriteAll(status_fd, BytesOf(status)) ? 0 : kKeepingFailed;
  }
}

[[noreturn]] void EndAs(int wait_status) {
  if (WIFEXITED(wait_status)) ::_exit(WEXITSTATUS(wait_status));
  const int signal = WTERMSIG(wait_status);
  const rlimit no_dump{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_dump);
  // Only this one: what else came to the group meanwhile stays blocked.
  sigset_t all_others;
  sigfillset(&all_others);
  sigdelset(&all_others, signal);
  ::signal(signal, SIG_DFL);
  ::kill(::getpid(), signal);
  ::sigprocmask(SIG_SETMASK, &all_others, nullptr);
  ::_exit(128 + signal);  // as a shell says it, if a signal without effect were ever reported
}

}  // namespace

int KeepProgram(const std::vector<int>& kept_fds, const std::function<int()>& body,
                const std::function<void(const Error&)>& tell) {
  sigset_t all;
  sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, nullptr);
  Result<sys::TwoFds> status = sys::Pipe();
  if (!status) {
    tell(status.error());
    return kKeepingFailed;
  }
  const int status_fd = status->second.get();
  std::vector<int> kept_by_first(kept_fds);
  kept_by_first.push_back(status_fd);
  const Result<Child> first = Fork({.kept_fds = kept_by_first, .clone_flags = CLONE_NEWPID},
                                   [&] { return BeFirst(kept_fds, body, tell, status_fd); });
  if (!first) {
    tell(first.error());
    return kKeepingFailed;
  }
  const int reported_fd = status->first.get();
  if (!sandbox::CloseAllBut({reported_fd})) return kKeepingFailed;
  int program_status = 0;
  uint8_t bytes[sizeof program_status];
  const Result<size_t> count = sys::Read(reported_fd, bytes);
  // When this returns, every process of the namespace has ended.
  const int first_status = WaitFor(first->pid);
  if (!count || *count != sizeof bytes) EndAs(first_status);
  std::memcpy(&program_status, bytes, sizeof bytes);
  EndAs(program_status);
}

}  // namespace reeve::warden
