#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "plugins/exec/program_follower.h"
#include "plugins/exec/program_request.h"
#include "plugins/exec/run_call.h"
#include "reeve/plugin.hpp"

namespace reeve::exec {

// guest-exec and guest-exec-status, exec-run and exec-kill. Programs are run by the agent, which has the rights; this is
// given their pipes, feeds and drains them between requests, and remembers how they ended until the host was told.
class ExecPlugin : public plugin::Plugin {
 public:
  // Programs of several channels may be started at once: one on a dead mount takes seconds.
  static constexpr uint32_t kMaxConcurrency = 32;
  // So long a guest-exec-status waits for the end of a program that runs: a host that asks without pause would take the
  // CPU from the very program that it waits for.
  static constexpr uint64_t kPollPatienceMs = 2;

  explicit ExecPlugin(plugin::Agent& agent)
      : Plugin(agent), follower_(agent, [this](ExecRecord& record) { OnFinished(record); }) {}

  void Cancelled(uint64_t request_id) override;
  // A record goes only once its reply was handed to the host: a dropped reply must not lose the output.
  void Settled(uint64_t request_id, bool was_sent) override;

  void Exec(const Request& request, Reply& reply);
  void ExecStatus(const Request& request, Reply& reply);
  void ExecRun(const Request& request, Reply& reply);
  void ExecKill(const Request& request, Reply& reply);

 private:
  struct PendingStart {
    Reply reply;
    uint32_t channel = 0;
    std::string path;
    std::string input;
    std::optional<RunLimits> limits;  // of an exec-run
  };
  struct PendingPoll {
    Reply reply;
    uint64_t serial = 0;
    uint64_t timer = 0;
  };
  struct PendingSignal {
    Reply reply;
    int64_t pid = 0;
  };
  void Begin(const Request& request, Reply& reply, uint32_t output_streams, std::optional<RunLimits> limits);
  void FinishStart(uint64_t request_id, plugin::Started started);
  void Refuse(PendingStart& pending, const plugin::Refusal& refusal);
  void BeginRun(ExecRecord& record, uint64_t request_id, uint64_t program, PendingStart& pending);
  void OnFinished(ExecRecord& record);
  void FinishRun(ExecRecord& record);
  void FinishPolls(uint64_t serial);
  void EndPoll(uint64_t request_id);
  void Tell(uint64_t request_id, const ExecRecord& record, Reply& reply);
  void FinishSignal(uint64_t request_id, const plugin::Refusal& refusal);

  ProgramFollower follower_;
  std::map<uint64_t, PendingStart> pending_starts_;          // by request
  std::map<uint64_t, PendingPoll> pending_polls_;            // by request
  std::map<uint64_t, PendingSignal> pending_signals_;        // by request
  std::map<uint64_t, uint64_t> serial_by_settling_request_;  // its exited:true is on the way to the host
};

}  // namespace reeve::exec
