#pragma once

#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "inventory_commands.hpp"

// Who is logged in, by utmp(5).

namespace reeve::inventory {

inline constexpr const char* kUtmpPath = "/run/utmp";
// Some 40,000 records.
inline constexpr size_t kMaxUtmpBytes = 16 << 20;

// Each user once, in the order of their first record, with the earliest login. A record that is cut is not one.
std::vector<inventory_manifest::GuestUser> UsersIn(Bytes utmp);

// Nobody where there is no utmp.
Result<std::vector<inventory_manifest::GuestUser>> UsersNow();

}  // namespace reeve::inventory
