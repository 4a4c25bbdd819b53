#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <span>
#include <unordered_map>

#include "base/event_loop.h"
#include "base/result.h"
#include "base/unique_fd.h"

// Forking and reaping: the only way in which the warden makes processes. Not thread-safe; the warden has one thread.

namespace reeve::warden {

// A child process, by descriptor: signals to it can never meet another process that got its number.
struct Child {
  pid_t pid = -1;
  UniqueFd pidfd;

  // No error when it has ended.
  Status Signal(int signal) const;
};

struct ForkOptions {
  std::span<const int> kept_fds;  // beside 0, 1, 2; everything else is closed in the child. Lent
  uint64_t clone_flags = 0;       // of clone3(2), beside CLONE_PIDFD
  int cgroup_fd = -1;             // the child begins its life in this control group. Lent
  bool dies_with_warden = true;   // PR_SET_PDEATHSIG
};

// Runs `body` in a new process and ends that with what it returned. The child has a copy of this process's memory, none of
// its descriptors but those kept, and no signal blocked, ignored or handled.
// REQUIRES: this process handles no signal, and ignores none but SIGPIPE: to reset all in each child would be most of what
// starting a program calls.
Result<Child> Fork(const ForkOptions& options, const std::function<int()>& body);

// Calls back when children end, and leaves no zombie. A child that cannot be ended (it sleeps in a dead file system)
// stays here, watched and never waited for.
class Reaper {
 public:
  using OnEnd = std::function<void(int wait_status)>;

  explicit Reaper(EventLoop& loop) : loop_(loop) {}
  Reaper(const Reaper&) = delete;
  Reaper& operator=(const Reaper&) = delete;
  ~Reaper();

  // A child that cannot be watched is killed.
  Status Watch(Child child, OnEnd on_end);
  // By number as Fork gave it; no error when it has ended.
  void Signal(pid_t pid, int signal);
  bool IsRunning(pid_t pid) const { return children_.contains(pid); }

 private:
  struct Watched {
    Child child;
    OnEnd on_end;
  };
  void Reap(pid_t pid);

  EventLoop& loop_;
  std::unordered_map<pid_t, Watched> children_;
};

}  // namespace reeve::warden
