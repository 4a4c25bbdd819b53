#include "agent/warden/running_programs.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <memory>
#include <utility>

#include "agent/sandbox/process_check.h"
#include "agent/warden/program_keeper.h"
#include "agent/wire/messages.h"
#include "base/log.h"
#include "base/sys.h"

namespace reeve::warden {
namespace {

constexpr int kExecFailed = 127;
// The host's and those of as many plugins as there will ever be with all of their own running.
constexpr size_t kMaxChildren = kMaxPrograms + 16 * kMaxProgramsOfPlugin;
// No process has it (setresuid(2) means "unchanged" by it).
constexpr uint32_t kNoUid = UINT32_MAX;

wire::ProgramStatus StatusOf(int wait_status, bool was_timed_out) {
  wire::ProgramStatus status;
  status.kind = WIFEXITED(wait_status) ? 1 : 2;
  status.value = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : WTERMSIG(wait_status);
  status.was_timed_out = was_timed_out ? 1 : 0;
  return status;
}

// A process of an earlier program that cannot be ended may still have the number.
Status CheckUidIsFree(const PermittedProgram& program) {
  if (program.rule.confine != policy::Confinement::kSandboxed) return {};
  if (!REEVE_TRY(sandbox::IsUidInUse(program.rule.as.uid))) return {};
  return Fail(Code::kUnavailable, "uid " + std::to_string(program.rule.as.uid) + " is in use");
}

// In the child.
int RunOrTellWhyNot(const PermittedProgram& program, std::vector<int> kept, int answer_fd) {
  const auto tell = [answer_fd](const Error& error) {
    static_cast<void>(SendAnswer(answer_fd, ChildAnswer::Of(error)));
  };
  const auto run = [&] {
    tell(LaunchProgram(program));
    return kExecFailed;
  };
  ::setsid();
  if (!sandbox::HasOwnProcessIds(program.rule.confine)) return run();
  if (const Status is_free = CheckUidIsFree(program); !is_free) {
    tell(is_free.error());
    return kExecFailed;
  }
  kept.push_back(answer_fd);
  return KeepProgram(kept, run, tell);
}

}  // namespace

// Both ends of what a program gets.
struct RunningPrograms::Pipes {
  sys::TwoFds status;
  sys::TwoFds in;   // first: the program's
  sys::TwoFds out;  // second: the program's
  sys::TwoFds err;  // second: the program's
};

RunningPrograms::RunningPrograms(EventLoop& loop, Reaper& reaper, std::optional<sandbox::CgroupTree> groups,
                                 const std::string& group_prefix, ProgramUids uids)
    : loop_(loop),
      children_(loop, reaper, kMaxChildren),
      groups_(std::move(groups)),
      group_prefix_(group_prefix + std::to_string(::getpid()) + "-"),
      uids_(std::move(uids)) {}

RunningPrograms::~RunningPrograms() {
  for (auto* programs : {&programs_, &leftovers_})
    for (auto& [number, program] : *programs) loop_.Cancel(program.timer);
}

Result<RunningPrograms::Pipes> RunningPrograms::MakePipes(const WantedStreams& streams) {
  Pipes pipes;
  pipes.status = REEVE_TRY(sys::Pipe(O_NONBLOCK));
  if (streams.has_stdin) {
    pipes.in = REEVE_TRY(sys::Pipe());
    REEVE_TRY(sys::SetNonBlocking(pipes.in.second.get()));
  }
  if (streams.has_stdout) {
    pipes.out = REEVE_TRY(sys::Pipe());
    REEVE_TRY(sys::SetNonBlocking(pipes.out.first.get()));
  }
  if (streams.has_stderr) {
    pipes.err = REEVE_TRY(sys::Pipe());
    REEVE_TRY(sys::SetNonBlocking(pipes.err.first.get()));
  }
  return pipes;
}

std::optional<sandbox::Cgroup> RunningPrograms::MakeGroup(uint64_t number, policy::Confinement confinement) {
  if (!groups_) return std::nullopt;
  Result<sandbox::Cgroup> group = groups_->MakeLeaf(group_prefix_ + std::to_string(number));
  if (!group) {
    LogWarning("a program runs without a control group of its own: " + group.error().message());
    return std::nullopt;
  }
  // Where no group has limits, the start has said so.
  const Status limited = group->SetLimits(sandbox::LimitsOf(confinement));
  if (!limited && limited.error().code() != Code::kNotFound)
    LogWarning("a program runs without limits of its control group: " + limited.error().message());
  return std::move(*group);
}

Result<pid_t> RunningPrograms::Fork(uint64_t number, const PermittedProgram& program, const std::vector<int>& kept,
                                    RequestChildren::OnAnswer on_answer, std::optional<sandbox::Cgroup>& group) {
  const auto start = [&](int group_fd) {
    return children_.Start(
        {.kept_fds = kept, .cgroup_fd = group_fd},
        [&program, &kept](int answer_fd) { return RunOrTellWhyNot(program, kept, answer_fd); }, on_answer,
        [this, number](int wait_status) { Ended(number, wait_status); });
  };
  if (!group) return start(-1);
  Result<pid_t> pid = start(group->fd());
  if (pid || children_.running() >= kMaxChildren) return pid;
  LogWarning("a program runs without a control group of its own: " + pid.error().message());
  group.reset();
  return start(-1);
}

Granted<void> RunningPrograms::CheckRoom(const std::string& plugin) const {
  const size_t most = plugin.empty() ? kMaxPrograms : kMaxProgramsOfPlugin;
  const auto count = [&](const std::map<uint64_t, Program>& programs) {
    return static_cast<size_t>(
        std::ranges::count_if(programs, [&](const auto& entry) { return entry.second.plugin == plugin; }));
  };
  if (count(programs_) >= most)
    return std::unexpected(Refusal{EAGAIN, std::to_string(most) + " earlier ones have not ended"});
  if (count(leftovers_) >= most)
    return std::unexpected(Refusal{EAGAIN, "too many ended programs have left processes behind"});
  return {};
}

void RunningPrograms::Start(PermittedProgram program, const WantedStreams& streams, uint32_t owner,
                            OnStarted on_started) {
  ForgetEmptyGroups();
  if (const Granted<void> room = CheckRoom(program.plugin); !room) return on_started(std::unexpected(room.error()));
  Result<Pipes> pipes = MakePipes(streams);
  if (!pipes) return on_started(std::unexpected(Refusal::Of(pipes.error())));
  const uint32_t own_uid = TakeUid(program.rule);
  if (own_uid == kNoUid)
    return on_started(std::unexpected(Refusal{0, "as many sandboxed programs run as there are numbers for"}));
  program.stdin_fd = pipes->in.first.get();
  program.stdout_fd = pipes->out.second.get();
  program.stderr_fd = streams.is_merged ? program.stdout_fd : pipes->err.second.get();
  std::vector<int> kept;
  for (const int fd : {program.stdin_fd, program.stdout_fd, pipes->err.second.get()})
    if (fd >= 0) kept.push_back(fd);

  const uint64_t number = ++last_number_;
  // std::function wants what can be copied.
  auto started = std::make_shared<StartedProgram>();
  started->program = number;
  started->max_output_bytes = program.rule.output_bytes;
  started->status = std::move(pipes->status.first);
  started->stdin_pipe = std::move(pipes->in.second);
  started->stdout_pipe = std::move(pipes->out.first);
  started->stderr_pipe = std::move(pipes->err.first);
  const uint32_t timeout_ms = program.rule.timeout_ms;
  auto on_answer = [this, number, timeout_ms, started, on_started](Result<ChildAnswer> answer) {
    Launched(number, std::move(answer), timeout_ms, std::move(*started), on_started);
  };
  std::optional<sandbox::Cgroup> group = MakeGroup(number, program.rule.confine);
  Result<pid_t> pid = Fork(number, program, kept, std::move(on_answer), group);
  if (!pid) {
    if (own_uid != 0) uids_.GiveBack(own_uid);
    return on_started(std::unexpected(Refusal::Of(pid.error())));
  }
  started->pid = *pid;
  programs_.emplace(number, Program{.owner = owner,
                                    .plugin = std::move(program.plugin),
                                    .ends_with_request = program.ends_with_request,
                                    .pid = *pid,
                                    .has_started = false,
                                    .was_timed_out = false,
                                    .status = std::move(pipes->status.second),
                                    .timer = 0,
                                    .group = std::move(group),
                                    .own_uid = own_uid,
                                    .on_end = std::move(program.on_end)});
}

uint32_t RunningPrograms::TakeUid(policy::ProgramRule& rule) {
  if (rule.confine != policy::Confinement::kSandboxed) return 0;
  const uint32_t uid = uids_.Take().value_or(kNoUid);
  rule.as.uid = rule.as.gid = uid;
  rule.as.groups.clear();
  return uid;
}

void RunningPrograms::Forget(Program& program) {
  loop_.Cancel(program.timer);
  if (program.own_uid != 0) uids_.GiveBack(program.own_uid);
}

void RunningPrograms::Launched(uint64_t number, Result<ChildAnswer> answer, uint32_t timeout_ms, StartedProgram started,
                               const OnStarted& on_started) {
  if (answer) return on_started(std::unexpected(Refusal{answer->error_number, answer->text}));
  // The socket closes without an answer when exec has happened (it is close-on-exec).
  if (answer.error().code() != Code::kClosed)
    return on_started(std::unexpected(Refusal{ETIMEDOUT, answer.error().message()}));
  Program& program = programs_.at(number);
  program.has_started = true;
  if (timeout_ms != 0)
    program.timer = loop_.After(std::chrono::milliseconds(timeout_ms), [this, number] { TimedOut(number); });
  on_started(std::move(started));
}

void RunningPrograms::SignalProgram(Program& program, int signal) {
  // The group's number is its own as long as its leader was not reaped, which happens in Ended.
  if (program.pid != 0 && ::kill(-program.pid, signal) != 0) ::kill(program.pid, signal);  // not yet a leader
  if (signal != SIGKILL || !program.group) return;
  const Status killed = program.group->KillAll();
  if (!killed) LogWarning("a program's control group cannot be killed: " + killed.error().message());
}

void RunningPrograms::TimedOut(uint64_t number) {
  const auto found = programs_.find(number);
  const auto left = leftovers_.find(number);
  if (found == programs_.end()) {
    if (left != leftovers_.end()) SignalProgram(left->second, SIGKILL);
    return;
  }
  Program& program = found->second;
  SignalProgram(program, program.was_timed_out ? SIGKILL : SIGTERM);
  if (program.was_timed_out) return;
  program.was_timed_out = true;
  program.timer = loop_.After(kGraceBeforeKill, [this, number] { TimedOut(number); });
}

void RunningPrograms::Ended(uint64_t number, int wait_status) {
  auto ended = programs_.extract(number);
  if (ended.empty()) return;
  Program program = std::move(ended.mapped());
  program.pid = 0;
  if (program.has_started) {
    const wire::ProgramStatus status = StatusOf(wait_status, program.was_timed_out);
    static_cast<void>(sys::Write(program.status.get(), BytesOf(status)));
    if (program.on_end) program.on_end(number, wait_status);
  }
  program.status.Reset();
  if (program.group && !program.group->Remove()) {
    // What it left behind lives on, as under qemu-ga, until the rule's timeout or the service's end.
    leftovers_.emplace(number, std::move(program));
    return;
  }
  Forget(program);
}

void RunningPrograms::ForgetEmptyGroups() {
  for (auto left = leftovers_.begin(); left != leftovers_.end();) {
    const bool is_empty = left->second.group->Remove().has_value();
    if (is_empty) Forget(left->second);
    left = is_empty ? leftovers_.erase(left) : std::next(left);
  }
}

Granted<void> RunningPrograms::Signal(uint32_t owner, uint64_t program, int signal) {
  ForgetEmptyGroups();
  for (auto* programs : {&programs_, &leftovers_}) {
    const auto found = programs->find(program);
    if (found == programs->end() || found->second.owner != owner) continue;
    // What an ended program left behind has no group of processes that is surely its own, only the control group.
    if (found->second.pid == 0 && signal != SIGKILL) break;
    SignalProgram(found->second, signal);
    return {};
  }
  return std::unexpected(Refusal{ESRCH, "program " + std::to_string(program) + " does not run"});
}

void RunningPrograms::EndWithRequest(uint32_t owner, uint64_t request_id) {
  for (auto& [number, program] : programs_)
    if (program.owner == owner && program.ends_with_request == request_id && request_id != 0)
      SignalProgram(program, SIGKILL);
}

void RunningPrograms::EndWithWorker(uint32_t owner) {
  for (auto& [number, program] : programs_)
    if (program.owner == owner && program.ends_with_request != 0) SignalProgram(program, SIGKILL);
}

void RunningPrograms::SignalAll(int signal) {
  for (auto& [number, program] : programs_) SignalProgram(program, signal);
  if (signal == SIGKILL) KillLeftovers();
}

bool RunningPrograms::KillLeftovers() {
  for (auto& [number, program] : leftovers_) SignalProgram(program, SIGKILL);
  ForgetEmptyGroups();
  return !leftovers_.empty();
}

}  // namespace reeve::warden
