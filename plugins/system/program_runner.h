#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "plugins/system/program_end.h"
#include "reeve/plugin.hpp"

namespace reeve::system {

// Has programs run by the agent, under the policy's rules for this plugin, and sees how they end. Never waits; that they end
// at all is the business of their rules' timeouts. Not thread-safe.
class ProgramRunner {
 public:
  using OnEnded = std::function<void(const ProgramEnd&)>;

  // `agent` is lent, and told how many programs run.
  explicit ProgramRunner(plugin::Agent& agent) : agent_(agent) {}

  // `words`: the name of a rule that policy has for this plugin, then the arguments. Standard input is empty. `on_ended` is
  // called once, from the loop, or before this returns when the agent cannot even be asked. What the program left running
  // is not waited for.
  void Run(uint64_t request_id, const std::vector<std::string>& words, OnEnded on_ended);

 private:
  struct Running {
    plugin::Descriptor status;
    plugin::Descriptor output;
    std::string said;
    OnEnded on_ended;
  };
  void Follow(plugin::Started started, OnEnded on_ended);
  void Watch(const plugin::Descriptor& fd, plugin::Agent::OnReady on_ready);
  void OnOutput(uint64_t serial);
  void OnStatus(uint64_t serial);

  plugin::Agent& agent_;
  uint64_t next_serial_ = 1;
  std::map<uint64_t, Running> running_;
};

}  // namespace reeve::system
