#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "inventory_commands.hpp"

namespace reeve::inventory {

inline constexpr const char* kProcessorDirectory = "/sys/devices/system/cpu";

// In the order of the directory. One without a switch is online, and stays so.
Result<std::vector<inventory_manifest::GuestLogicalProcessor>> ProcessorsIn(const std::string& directory);

}  // namespace reeve::inventory
