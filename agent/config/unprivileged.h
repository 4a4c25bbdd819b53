#pragma once

#include "agent/config/config.h"

// `reeved --unprivileged`: what a configuration comes to when an ordinary user serves it. Pure.

namespace reeve::config {

// Every process gets the user's own uid and a sandbox without what only root can give; rules for root become rules for the
// user. Adds to the warnings what is missing, what that means, and which rules and plugins cannot work so.
// REQUIRES: config.is_unprivileged, `self` is no root, and all users are resolved.
void TakePrivileges(const policy::RunAs& self, Config& config);

}  // namespace reeve::config
