#pragma once

#include <map>
#include <memory>
#include <string>

#include "plugins/system/memory_blocks.h"
#include "plugins/system/pending_request.h"
#include "plugins/system/power.h"
#include "plugins/system/processors.h"
#include "plugins/system/program_runner.h"
#include "plugins/system/set_time.h"
#include "plugins/system/suspend.h"
#include "reeve/plugin.hpp"
#include "system_commands.hpp"

namespace reeve::system {

// What is acted on: the machine itself, unless a test stands in for it.
struct Machine {
  SetClock set_clock = SetSystemClock;
  std::string sysfs = "/sys";
};

// guest-shutdown, guest-suspend-*, guest-set-time, guest-set-vcpus, guest-set-memory-blocks: who asks for what, and what
// happens when it takes too long. Each command has a class of its own.
class SystemPlugin : public plugin::Plugin {
 public:
  // Of several channels; one that waits for a program keeps nobody else.
  static constexpr uint32_t kMaxConcurrency = 32;

  explicit SystemPlugin(plugin::Agent& agent, const Machine& machine = {})
      : Plugin(agent),
        programs_(agent),
        power_(programs_),
        suspend_(agent, programs_, machine.sysfs),
        time_(programs_, machine.set_clock),
        processors_(agent, machine.sysfs),
        memory_blocks_(agent, machine.sysfs) {}

  void Cancelled(uint64_t request_id) override;

  void Shutdown(const Request& request, const system_manifest::GuestShutdown& arguments, Reply& reply);
  void SuspendDisk(const Request& request, const system_manifest::GuestSuspendDisk& arguments, Reply& reply);
  void SuspendRam(const Request& request, const system_manifest::GuestSuspendRam& arguments, Reply& reply);
  void SuspendHybrid(const Request& request, const system_manifest::GuestSuspendHybrid& arguments, Reply& reply);
  void SetTime(const Request& request, const system_manifest::GuestSetTime& arguments, Reply& reply);
  void SetVcpus(const Request& request, const system_manifest::GuestSetVcpus& arguments, Reply& reply);
  void SetMemoryBlocks(const Request& request, const system_manifest::GuestSetMemoryBlocks& arguments, Reply& reply);

 private:
  Pending Take(const Request& request, Reply& reply);

  std::map<uint64_t, std::weak_ptr<PendingRequest>> pending_;  // by request; those that are answered go later
  ProgramRunner programs_;
  Power power_;
  Suspend suspend_;
  TimeSetter time_;
  Processors processors_;
  MemoryBlocks memory_blocks_;
};

}  // namespace reeve::system
