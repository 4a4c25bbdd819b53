#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "inventory_commands.hpp"

namespace reeve::inventory {

// With the final slash that qemu-ga's texts have.
inline constexpr const char* kMemoryDirectory = "/sys/devices/system/memory/";

// In the order of the directory; none where the kernel has no such directory.
Result<std::vector<inventory_manifest::GuestMemoryBlock>> MemoryBlocksIn(const std::string& directory);
// Fails with qemu-ga's text where the kernel has no such directory.
Result<inventory_manifest::GuestMemoryBlockInfo> MemoryBlockInfoIn(const std::string& directory);

}  // namespace reeve::inventory
