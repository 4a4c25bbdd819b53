#include "agent/start/run_and_wait.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "agent/warden/child.h"
#include "agent/warden/trusted_file.h"
#include "base/sys.h"

namespace reeve::start {
namespace {

int Exec(const RunToEnd& run, const int (&streams)[3]) {
  for (int number = 0; number < 3; ++number)
    if (::dup2(streams[number], number) < 0) return 127;
  for (const int fd : run.kept_fds)
    if (!sys::SetCloseOnExec(fd, false)) return 127;
  std::vector<char*> argv{const_cast<char*>(run.path.c_str())};
  for (const std::string& arg : run.args) argv.push_back(const_cast<char*>(arg.c_str()));
  argv.push_back(nullptr);
  const char* const environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", nullptr};
  ::execve(run.path.c_str(), argv.data(), const_cast<char**>(environment));
  return 127;
}

Result<int> WaitFor(const warden::Child& child, const RunToEnd& run) {
  pollfd ended{child.pidfd.get(), POLLIN, 0};
  // A signal to the warden restarts the wait; it has a handler only once it serves.
  if (::poll(&ended, 1, static_cast<int>(run.timeout.count())) <= 0) {
    REEVE_TRY(child.Signal(SIGKILL));
    ::waitpid(child.pid, nullptr, WNOHANG);
    return Fail(Code::kTimedOut, run.path + " did not end within " + std::to_string(run.timeout.count()) + " ms");
  }
  int status = 0;
  if (::waitpid(child.pid, &status, 0) < 0) return FailErrno("wait for " + run.path);
  return status;
}

}  // namespace

Result<EndedRun> RunAndWait(const RunToEnd& run) {
  REEVE_TRY(warden::OpenTrustedFile(run.path));
  // A memory file has room for all that it says: nobody need read while it runs.
  const UniqueFd input = REEVE_TRY(sys::MemoryFileOf("reeve-run", run.input));
  const UniqueFd output = REEVE_TRY(sys::MemoryFileOf("reeve-run", ""));
  const UniqueFd complaints = REEVE_TRY(sys::MemoryFileOf("reeve-run", ""));
  const int streams[3] = {input.get(), output.get(), complaints.get()};
  std::vector<int> kept(run.kept_fds);
  kept.insert(kept.end(), streams, streams + 3);
  const warden::Child child = REEVE_TRY(warden::Fork({.kept_fds = kept}, [&] { return Exec(run, streams); }));
  const int status = REEVE_TRY(WaitFor(child, run));
  return EndedRun{.wait_status = status,
                  .output = REEVE_TRY(sys::ReadFromStart(output.get(), kMaxRunOutputBytes)),
                  .complaints = REEVE_TRY(sys::ReadFromStart(complaints.get(), kMaxRunOutputBytes))};
}

}  // namespace reeve::start
