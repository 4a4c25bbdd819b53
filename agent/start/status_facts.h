#pragma once

#include <string>

#include "agent/wire/status_facts.h"

namespace reeve::start {

// What reevectl status shall tell of this machine and of this process. `policy_note` is Compiled's. Looks at the
// version 2 tree of control groups: before serving.
wire::StatusFacts GatherFacts(std::string policy_note);

}  // namespace reeve::start
