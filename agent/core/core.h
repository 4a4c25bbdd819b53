#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "agent/core/audit.h"
#include "agent/core/audit_sinks.h"
#include "agent/core/channel_server.h"
#include "agent/core/command_access.h"
#include "agent/core/command_table.h"
#include "agent/core/control_commands.h"
#include "agent/core/dispatcher.h"
#include "agent/core/freeze_state.h"
#include "agent/core/own_commands.h"
#include "agent/core/warden_link.h"
#include "agent/core/worker_pool.h"
#include "agent/wire/log_record.h"
#include "base/log_limiter.h"

namespace reeve::core {

// What the core is given at its start.
struct CoreSetup {
  config::Config config;
  UniqueFd warden;                                                         // SOCK_SEQPACKET
  std::vector<std::pair<uint32_t, transport::ListeningSocket>> listeners;  // by channel
  wire::LogChannel* log = nullptr;  // to reeve-log, lent for the life of the process; nullptr: there is none
  int syslog_fd = -1;               // connected datagram socket for audit sinks journal and syslog; lent; -1: none
  ChannelServer::Limits limits;
};

// The whole core but for its process: everything that main wires, so that a test can wire it too. Not thread-safe.
class Core final : public WardenLink::Handler {
 public:
  // `loop` and `clock` are lent for the life of this. Fails when a rule of the policy cannot be compiled.
  static Result<std::unique_ptr<Core>> Create(EventLoop& loop, Clock& clock, CoreSetup setup);
  ~Core() override;
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  // Says hello to the warden; the channels are served once it has answered. The caller then runs the loop; it is
  // stopped when the service stops or the warden is gone.
  Status Start();
  // Whether the loop was stopped because the warden is gone.
  bool was_lost() const { return was_lost_; }

  void OnWorkerStarted(const wire::WorkerStarted& started, std::vector<UniqueFd> fds) override;
  void OnWorkerEnded(const wire::WorkerEnded& ended, std::string_view why) override;
  void OnDeviceOpened(uint32_t channel, UniqueFd device) override;
  void OnDeviceFailed(uint32_t channel, std::string_view why) override;
  void OnServe() override;
  void OnStopping() override;
  void OnStatusFacts(wire::StatusFacts facts) override;
  void OnStillFrozen(uint64_t held) override;
  void OnStandingRun(const wire::StandingRun& run, std::string_view words) override;
  void OnRoom() override;
  void OnLost(std::string_view why) override;

 private:
  Core(EventLoop& loop, CoreSetup setup);
  Status Wire(Clock& clock);
  std::vector<AuditSink*> MakeSinks();
  std::string Report() const;
  void OnFreezeChange();
  void StopWhenIdle();

  EventLoop& loop_;
  CoreSetup setup_;
  FreezeState freeze_;
  CommandTable table_;
  std::vector<std::unique_ptr<AuditSink>> sinks_;
  std::optional<policy::Decider> decider_;
  std::optional<CommandAccess> access_;
  std::optional<OwnCommands> own_;
  std::optional<Audit> audit_;
  std::optional<WardenLink> warden_;
  std::optional<WorkerPool> workers_;
  std::optional<Dispatcher> dispatcher_;
  std::optional<ControlCommands> control_;
  wire::StatusFacts facts_;
  std::optional<ChannelServer> channels_;
  LogLimiter freeze_changes_;  // a worker says whatever it likes of what it holds
  EventLoop::TimerId stop_timer_ = 0;
  RunningTime stop_at_{0};
  bool was_lost_ = false;
};

}  // namespace reeve::core
