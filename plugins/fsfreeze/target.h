#pragma once

#include <string>
#include <vector>

#include "storage/freeze_list.h"

namespace reeve::fsfreeze {

// A file system that is to be frozen or trimmed, by the mount point through which it is reached. Plain value.
struct Target {
  storage::Device device;  // as mountinfo has it
  std::string mountpoint;
  std::string type;
  // The file systems in files of which it is kept, however far below: those of loop devices. Its freeze and its thaw write there.
  std::vector<storage::Device> stands_on = {};
};

}  // namespace reeve::fsfreeze
