#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "plugins/fsfreeze/target.h"
#include "storage/mounts.h"

namespace reeve::fsfreeze {

// The files in which the block device keeps its data, however far below: those of loop devices. Empty: it stands on disks.
using BackingFilesOf = std::function<std::vector<std::string>(dev_t block_device)>;

// The file systems of the list, and on which of them each stands, with what others stand on before them, else in the order of the list. Frozen the other way
// round, none is frozen while another still has to write to it.
std::vector<Target> InThawOrder(const storage::MountList& mounts, const BackingFilesOf& backing_files_of);

// What sysfs says: through partitions and device mapper down to loop devices.
std::vector<std::string> BackingFilesInSysfs(dev_t block_device);

}  // namespace reeve::fsfreeze
