#pragma once

#include <cstdint>

#include "base/result.h"
#include "inventory_commands.hpp"

namespace reeve::inventory {

// Of /etc/localtime as it is now, for this moment; UTC where there is none. Fails when there is one that cannot be read.
Result<inventory_manifest::GuestTimezone> TimeZoneNow();
// Since the epoch, in nanoseconds, which end in 000 as qemu-ga's do.
int64_t TimeNow();

}  // namespace reeve::inventory
