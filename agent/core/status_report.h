#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "agent/config/config.h"
#include "agent/core/channel_status.h"
#include "agent/core/worker_status.h"
#include "agent/wire/status_facts.h"

namespace reeve::core {

// All that is known of how the agent stands. `config` and `facts` are lent.
struct StatusSources {
  const config::Config& config;
  const wire::StatusFacts& facts;
  // How the last freeze ended, as far as this core knows.
  struct LastFreeze {
    std::string why;
    std::chrono::seconds lasted{0};
    std::chrono::seconds ago{0};
  };
  std::optional<std::chrono::seconds> frozen_for;  // none: nothing is frozen
  std::optional<std::chrono::seconds> thaws_in;    // none: not by itself
  std::optional<LastFreeze> last_freeze;
  std::vector<ChannelStatus> channels;
  std::vector<WorkerStatus> workers;
};

// The value of reeve-status, in wire form. Its members are listed in agent/reeve/PROTOCOL.md. Pure.
std::string StatusReport(const StatusSources& sources);

}  // namespace reeve::core
