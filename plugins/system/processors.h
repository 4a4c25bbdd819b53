#pragma once

#include <memory>
#include <string>
#include <vector>

#include "plugins/system/pending_request.h"
#include "plugins/system/switch_file.h"
#include "system_commands.hpp"

namespace reeve::system {

// guest-set-vcpus: processors are switched one after the other, up to the first that cannot be. The answer is how many
// were; it is an error only when that is none. A host asks again for the rest.
class Processors {
 public:
  // More are left for the next request: each takes up to two of what a request may ask of the agent.
  static constexpr size_t kMaxAtOnce = 2048;

  // `agent` is lent. `sysfs` is where it is mounted.
  Processors(plugin::Agent& agent, const std::string& sysfs)
      : agent_(agent), directory_(sysfs + "/devices/system/cpu/cpu") {}

  void Set(const Pending& request, std::vector<system_manifest::GuestLogicalProcessor> wanted);

 private:
  struct Work {
    Pending request;
    std::vector<system_manifest::GuestLogicalProcessor> wanted;
    size_t done = 0;
  };
  void Next(const std::shared_ptr<Work>& work);
  Status Switch(const system_manifest::GuestLogicalProcessor& wanted, const SwitchFile& file) const;
  std::string DirectoryOf(int64_t logical_id) const { return directory_ + std::to_string(logical_id); }

  plugin::Agent& agent_;
  const std::string directory_;
};

}  // namespace reeve::system
