#pragma once

#include <vector>

#include "inventory_commands.hpp"
#include "plugins/inventory/usage_reader.h"
#include "storage/disks.h"
#include "storage/mounts.h"

// File systems as qemu-ga tells them.

namespace reeve::inventory {

// All of guest-get-fsinfo but the usage, in the order of `list`.
std::vector<inventory_manifest::GuestFilesystemInfo> FilesystemInfosOf(const storage::MountList& list,
                                                                       const storage::DiskMap& disks);

// Puts `usages`, one for each, beside what was told, and the last mounted first: libvirt reads the list backwards.
void Complete(std::vector<inventory_manifest::GuestFilesystemInfo>& infos, const UsageReader::Usages& usages);

}  // namespace reeve::inventory
