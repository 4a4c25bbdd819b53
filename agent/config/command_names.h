#pragma once

#include <string>
#include <vector>

#include "agent/config/config.h"

namespace reeve::config {

// One line for each entry of the policy's files under allow or deny that no installed plugin has a command for: a slip of the
// pen, or a plugin that comes later. What the profiles say is left out. Pure.
std::vector<std::string> PatternsWithoutCommand(const Config& config);

}  // namespace reeve::config
