#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/sandbox/cgroup.h"
#include "agent/warden/child.h"
#include "agent/warden/launch_program.h"
#include "agent/warden/program_uids.h"
#include "agent/warden/refusal.h"
#include "agent/warden/request_children.h"
#include "base/event_loop.h"
#include "base/unique_fd.h"

namespace reeve::warden {

// Programs beyond this are refused, and so is any while that many ended ones have left processes behind. A host that starts
// them by hundreds and polls none is broken.
inline constexpr size_t kMaxPrograms = 256;
// Of one plugin's own rules, which take no room from the host's programs nor from another plugin's.
inline constexpr size_t kMaxProgramsOfPlugin = 32;
// What a program at its timeout has between SIGTERM and SIGKILL.
inline constexpr std::chrono::seconds kGraceBeforeKill{2};

// The pipes that a program's starter wants; the others are /dev/null.
struct WantedStreams {
  bool has_stdin = false;
  bool has_stdout = false;
  bool has_stderr = false;
  bool is_merged = false;  // stderr is stdout's pipe. REQUIRES: has_stdout and not has_stderr
};

// A program that runs, and its starter's ends of the pipes, which do not block.
struct StartedProgram {
  uint64_t program = 0;  // never used again
  pid_t pid = 0;
  UniqueFd status;  // a wire::ProgramStatus comes at the end, then the end of the stream
  UniqueFd stdin_pipe;
  UniqueFd stdout_pipe;
  UniqueFd stderr_pipe;
  uint64_t max_output_bytes = 0;  // the rule's; whoever reads the pipes sees to it
};

// The programs that run for workers: each in a session, and where the machine can, a control group of its own, so that it ends
// with everything that it forked. Not thread-safe.
class RunningPrograms {
 public:
  using OnStarted = std::function<void(Granted<StartedProgram>)>;

  // `uids` are for sandboxed programs. Without `groups` what a program leaves behind in another session cannot be ended. `group_prefix` begins the names of
  // the groups.
  RunningPrograms(EventLoop& loop, Reaper& reaper, std::optional<sandbox::CgroupTree> groups,
                  const std::string& group_prefix = "reeve-", ProgramUids uids = {});
  RunningPrograms(const RunningPrograms&) = delete;
  RunningPrograms& operator=(const RunningPrograms&) = delete;
  ~RunningPrograms();

  // `owner` is the worker, the only one that may signal it. `on_started` is called from the loop, once: when the program runs
  // or why it does not. The rule's timeout counts from then on.
  void Start(PermittedProgram program, const WantedStreams& streams, uint32_t owner, OnStarted on_started);
  // To all of the program's processes: its process group, and with SIGKILL its control group. What an ended program left
  // behind can only be killed. Refused with ESRCH when there is nothing to be signalled.
  Granted<void> Signal(uint32_t owner, uint64_t program, int signal);
  // SIGKILL to what was started to end with that request (PermittedProgram) and has not ended. What an ended one left
  // behind goes on.
  void EndWithRequest(uint32_t owner, uint64_t request_id);
  // The same for all requests of that owner, which is gone.
  void EndWithWorker(uint32_t owner);
  // To all programs; SIGKILL also to what ended ones left in their control groups.
  void SignalAll(int signal);
  // SIGKILL to what ended programs left behind. Whether some of it is still there.
  bool KillLeftovers();
  size_t running() const { return programs_.size(); }

 private:
  struct Program {
    uint32_t owner = 0;
    std::string plugin;              // whose own rule it is; empty: one of exec.rules
    uint64_t ends_with_request = 0;  // 0: with none
    pid_t pid = 0;                   // of its group too; 0 once it has ended and only its control group is kept
    bool has_started = false;
    bool was_timed_out = false;
    UniqueFd status;  // our end
    EventLoop::TimerId timer = 0;
    std::optional<sandbox::Cgroup> group;
    uint32_t own_uid = 0;  // of `sandboxed`: this program's alone; 0: none
    std::function<void(uint64_t program, int wait_status)> on_end;
  };
  struct Pipes;

  // Whether that plugin, or the host, has room for one more; else a refusal.
  Granted<void> CheckRoom(const std::string& plugin) const;
  Result<Pipes> MakePipes(const WantedStreams& streams);
  Result<pid_t> Fork(uint64_t number, const PermittedProgram& program, const std::vector<int>& kept,
                     RequestChildren::OnAnswer on_answer, std::optional<sandbox::Cgroup>& group);
  void Launched(uint64_t number, Result<ChildAnswer> answer, uint32_t timeout_ms, StartedProgram started,
                const OnStarted& on_started);
  void TimedOut(uint64_t number);
  void Ended(uint64_t number, int wait_status);
  void SignalProgram(Program& program, int signal);
  void ForgetEmptyGroups();
  std::optional<sandbox::Cgroup> MakeGroup(uint64_t number, policy::Confinement confinement);
  // Makes the rule's user one that nobody else has. 0 when the confinement wants none, kNoUid when none is left.
  uint32_t TakeUid(policy::ProgramRule& rule);
  void Forget(Program& program);

  EventLoop& loop_;
  RequestChildren children_;
  std::optional<sandbox::CgroupTree> groups_;
  std::string group_prefix_;
  ProgramUids uids_;
  uint64_t last_number_ = 0;
  std::map<uint64_t, Program> programs_;
  std::map<uint64_t, Program> leftovers_;  // ended, with processes left in their control group
};

}  // namespace reeve::warden
