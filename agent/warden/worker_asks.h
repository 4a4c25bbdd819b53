#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "agent/config/config.h"
#include "agent/sandbox/program_confinement.h"
#include "agent/warden/announced_requests.h"
#include "agent/warden/child.h"
#include "agent/warden/launch_program.h"
#include "agent/warden/open_path.h"
#include "agent/warden/request_children.h"
#include "agent/warden/running_programs.h"
#include "agent/warden/worker_peer.h"
#include "base/event_loop.h"
#include "base/log_limiter.h"
#include "policy/decide.h"

namespace reeve::warden {

// At most this many opens below one directory of the policy at one time, those that are stuck in a dead mount for ever
// included: one dead mount takes no other directory's room.
inline constexpr size_t kMaxOpensPerDirectory = 64;

// Decides what workers ask for, against the warden's own copy of the policy and what the core announced, and has it
// done by children and as programs. Not thread-safe.
class WorkerAsks {
 public:
  // What a program is started with beside its rule.
  struct Surroundings {
    sandbox::InitialSettings settings;
    std::vector<std::string> environment;  // the warden's own, as it was started
    std::optional<sandbox::CgroupTree> groups;
    std::string group_prefix = "reeve-";  // of the names of the programs' groups
  };

  // Told of each program that is asked for without a request: what became of it, and its argv, each word ended by NUL.
  using OnStandingRun = std::function<void(const wire::StandingRun& run, std::string_view words)>;

  // All but the last two are lent.
  WorkerAsks(const config::Config& config, const policy::Decider& decider, EventLoop& loop, Reaper& reaper,
             Surroundings surroundings, OnStandingRun on_standing_run);

  // `plugin` is the one that the worker runs. A failure is the core's mistake (kBadMessage, kTooLarge) and ends it. What policy
  // denies is not entered: the worker will be refused.
  Status Announce(uint32_t plugin, uint64_t request_id, uint32_t deadline_ms, const wire::Announce& what);
  // The request is answered: what was started to end with it is killed.
  void Retract(uint32_t worker, uint64_t request_id);
  // It has ended, or the core that asked it has: its requests are live no more. Its programs go on, but those that end with a
  // request.
  void ForgetWorker(uint32_t worker);

  void OpenPath(uint32_t plugin, uint32_t worker, uint64_t request_id, OpenAsk ask,
                const WorkerServices::OnOpened& on_opened);
  // `request_id` 0: for none. Of these a plugin gets as many as LogLimiter lets through, so that all can be told of.
  void RunProgram(uint32_t plugin, uint32_t worker, uint64_t request_id, ProgramAsk ask,
                  const WorkerServices::OnStarted& on_started);
  RunningPrograms& programs() { return programs_; }
  const RunningPrograms& programs() const { return programs_; }

 private:
  // The live request that an ask belongs to, its command, and who sent it.
  struct Live {
    AnnouncedRequest request;
    const config::CommandSpec* command = nullptr;
    policy::Caller caller;
  };
  policy::Caller CallerOf(const wire::Announce& what) const;
  Granted<Live> TakeLive(uint32_t plugin, uint32_t worker, uint64_t request_id, config::ArgumentCheck check);
  Granted<uint32_t> RuleOf(const Live& live, const policy::Decision& decision, const std::string& what,
                           size_t rule_count) const;
  // The rules for the host are for commands whose arguments policy looks at; all others have their plugin's own.
  Granted<const policy::FileDirectory*> DirectoryFor(uint32_t plugin, const Live& live, const OpenAsk& ask) const;
  Granted<const policy::ProgramRule*> RuleFor(uint32_t plugin, const Live& live, const ProgramAsk& ask) const;
  Granted<PermittedProgram> Permit(const policy::ProgramRule& rule, ProgramAsk ask) const;
  Granted<PermittedOpen> DecideOpen(uint32_t plugin, uint32_t worker, uint64_t request_id, OpenAsk ask);
  Granted<PermittedProgram> DecideProgram(uint32_t plugin, uint32_t worker, uint64_t request_id, ProgramAsk ask);
  Granted<void> AdmitStanding(uint32_t plugin);
  Granted<PermittedProgram> DecideStanding(uint32_t plugin, const policy::Decision& decision, ProgramAsk ask);
  void RunStanding(uint32_t plugin, uint32_t worker, ProgramAsk ask, const WorkerServices::OnStarted& on_started);

  const config::Config& config_;
  const policy::Decider& decider_;
  EventLoop& loop_;
  Surroundings surroundings_;
  AnnouncedRequests announced_;                   // timed by the loop's clock, without timers
  LogLimiter denied_announcements_;               // a core that was taken over may announce what it likes
  std::map<uint32_t, LogLimiter> standing_asks_;  // by plugin
  OnStandingRun on_standing_run_;
  Reaper& reaper_;
  std::map<std::string, RequestChildren> opens_;  // by plugin and the directory's path
  RunningPrograms programs_;
};

}  // namespace reeve::warden
