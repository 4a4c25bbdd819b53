#pragma once

#include <ctime>
#include <optional>
#include <string>

// The machine that the plugin of the unit tests acts on, in place of the one that they run on.

namespace reeve::system {

struct FakeMachine {
  std::string sysfs = "/nonexistent";
  std::optional<timespec> clock;  // what it was set to
  int clock_errno = 0;            // why it cannot be set
};

FakeMachine& TheFakeMachine();

}  // namespace reeve::system
