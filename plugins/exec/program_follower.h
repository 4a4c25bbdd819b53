#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>

#include "plugins/exec/exec_records.h"
#include "reeve/plugin.hpp"

namespace reeve::exec {

// What happens to programs between requests: they are fed and drained, their ends are noted, and what nobody asks about
// is forgotten. Not thread-safe.
class ProgramFollower {
 public:
  // Has ended, and nobody holds its output any more. May Drop the record.
  using OnFinished = std::function<void(ExecRecord&)>;

  // `agent` is lent. It is told how many records are held.
  ProgramFollower(plugin::Agent& agent, OnFinished on_finished) : agent_(agent), on_finished_(std::move(on_finished)) {}

  // Takes a program that runs. REQUIRES: records().CheckRoom. Throws plugin::Failure when its pipes cannot be watched.
  ExecRecord& Follow(ExecRecord record);
  // Forgets a program, in whatever state it is; its pipes are closed. No error when it is not there.
  void Drop(uint64_t serial);

  ExecRecords& records() { return records_; }

 private:
  using Stream = std::optional<StreamCapture> ExecRecord::*;
  void Watch(int fd, uint32_t events, plugin::Agent::OnReady on_ready);
  void OnStatus(uint64_t serial);
  void OnInput(uint64_t serial);
  void OnOutput(uint64_t serial, Stream stream);
  void OnProgress(ExecRecord& record);
  void CloseStatus(ExecRecord& record);
  void CloseInput(ExecRecord& record);
  void CloseOutput(StreamCapture& capture);
  void SweepLater();
  void ReportHeld() { agent_.SetHeld(records_.size()); }

  plugin::Agent& agent_;
  const OnFinished on_finished_;
  ExecRecords records_;
  bool is_sweep_due_ = false;
  std::array<uint8_t, 64 * 1024> scratch_;  // what a pipe holds
};

}  // namespace reeve::exec
