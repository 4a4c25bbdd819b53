#pragma once

#include <sys/types.h>

#include <span>

#include "base/result.h"

namespace reeve::warden {

// Takes a user's ids for good, in a forked child: groups, gid, uid, in this order, and checks that there is no way back.
// Nothing is done when this process is that user already and so is not root's.
Status BecomeUser(uid_t uid, gid_t gid, std::span<const uint32_t> groups);

}  // namespace reeve::warden
