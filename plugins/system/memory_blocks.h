#pragma once

#include <memory>
#include <string>
#include <vector>

#include "plugins/system/pending_request.h"
#include "plugins/system/switch_file.h"
#include "system_commands.hpp"

namespace reeve::system {

// guest-set-memory-blocks: each block is tried, and has a result of its own.
class MemoryBlocks {
 public:
  // Each takes up to two of what a request may ask of the agent. More are refused, before any is tried.
  static constexpr size_t kMaxAtOnce = 2048;

  // `agent` is lent. `sysfs` is where it is mounted.
  MemoryBlocks(plugin::Agent& agent, const std::string& sysfs)
      : agent_(agent), directory_(sysfs + "/devices/system/memory/memory") {}

  void Set(const Pending& request, std::vector<system_manifest::GuestMemoryBlock> wanted);

 private:
  struct Work {
    Pending request;
    std::vector<system_manifest::GuestMemoryBlock> wanted;
    std::vector<system_manifest::GuestMemoryBlockResponse> results;
  };
  void Next(const std::shared_ptr<Work>& work);
  void OnSwitch(const std::shared_ptr<Work>& work, const SwitchFile& file);

  plugin::Agent& agent_;
  const std::string directory_;
};

}  // namespace reeve::system
