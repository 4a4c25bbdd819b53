#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "plugins/exec/exec_records.h"
#include "reeve/plugin.hpp"

namespace reeve::exec {

// guest-exec and guest-exec-status. Programs are run by the agent, which has the rights; this is given their
// pipes, feeds and drains them between requests, and remembers how they ended until the host was told.
class ExecPlugin : public plugin::Plugin {
 public:
  // Programs of several channels may be started at once: one on a dead mount takes seconds.
  static constexpr uint32_t kMaxConcurrency = 32;

  using Plugin::Plugin;

  void Cancelled(uint64_t request_id) override;
  // A record goes only once its reply was handed to the host: a dropped reply must not lose the output
  // (decision M5).
  void Settled(uint64_t request_id, bool was_sent) override;

  void Exec(const Request& request, Reply& reply);
  void ExecStatus(const Request& request, Reply& reply);

 private:
  struct PendingStart {
    Reply reply;
    uint32_t channel;
    std::string path;
    std::string input;
  };
  void FinishStart(uint64_t request_id, plugin::Started started);
  void Refuse(PendingStart& pending, const plugin::Refusal& refusal);
  void Follow(ExecRecord& record);
  void OnStatus(uint64_t serial);
  void OnInput(uint64_t serial);
  void OnOutput(uint64_t serial, std::optional<StreamCapture> ExecRecord::* stream);
  void OnProgress(ExecRecord& record);
  void CloseInput(ExecRecord& record);
  void SweepLater();
  void ReportHeld() { agent().SetHeld(records_.size()); }

  ExecRecords records_;
  std::map<uint64_t, PendingStart> pending_starts_;          // by request
  std::map<uint64_t, uint64_t> serial_by_settling_request_;  // its exited:true is on the way to the host
  bool is_sweep_due_ = false;
  std::array<uint8_t, 64 * 1024> scratch_;  // what a pipe holds
};

}  // namespace reeve::exec
