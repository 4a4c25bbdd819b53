#pragma once

#include <string>

#include "storage/freeze_list.h"

namespace reeve::fsfreeze {

// A file system that is to be frozen or trimmed, by the mount point through which it is reached. Plain value.
struct Target {
  storage::Device device;  // as mountinfo has it
  std::string mountpoint;
  std::string type;
};

}  // namespace reeve::fsfreeze
