#pragma once

#include <vector>

#include "inventory_commands.hpp"
#include "storage/disks.h"

// Disks as qemu-ga tells them.

namespace reeve::inventory {

// A disk that is not virtual, or a partition of one.
inventory_manifest::GuestDiskAddress DiskAddressOf(const storage::BlockDevice& device);

// guest-get-disks: what has a size, last first, a disk after its partitions.
std::vector<inventory_manifest::GuestDiskInfo> DiskInfosOf(const storage::DiskMap& disks);

}  // namespace reeve::inventory
