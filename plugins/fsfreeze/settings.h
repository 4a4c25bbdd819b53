#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "plugins/fsfreeze/freezer.h"
#include "reeve/json.hpp"

namespace reeve::fsfreeze {

// The plugin's `settings:` of the policy. Plain value.
struct Settings {
  uint64_t thaw_timeout_ms = 10 * 60 * 1000;  // 0: nothing is thawed by itself
  uint64_t hook_timeout_ms = 60 * 1000;
  std::vector<std::string> hooks;  // absolute paths, in the order in which they are told of a freeze
  bool is_hook_failure_fatal = true;
  OnMountFailure on_mount_failure = OnMountFailure::kFatal;
  std::vector<std::string> excluded;  // mount points and kinds of file system
};

// Fails with kInvalidArgument, naming the key.
Result<Settings> ReadSettings(const plugin::Arguments& json);

}  // namespace reeve::fsfreeze
