#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "policy/profile.h"

// What a process may use up: rlimits and its place in the queue of the out-of-memory killer.

namespace reeve::sandbox {

// Whether RLIMIT_NPROC is set. It counts all processes of a user, so for an ordinary user it would count what is not ours.
enum class LimitTasks : uint8_t { kYes, kNo };

// Sets soft and hard limits of this process. A hard limit that may not be raised (EPERM: also root without
// CAP_SYS_RESOURCE) is set as high as it goes and named in `remarks`.
Status ApplyLimits(const policy::ResourceLimits& limits, LimitTasks tasks, std::vector<std::string>& remarks);

// A worker should go before the programs that the guest is there for. Needs /proc.
Status VolunteerForOutOfMemory();
inline constexpr int kOutOfMemoryScore = 500;

}  // namespace reeve::sandbox
