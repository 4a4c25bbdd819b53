#pragma once

#include <string>

#include "base/result.h"

namespace reeve::inventory {

// A table of 100,000 routes.
inline constexpr size_t kMaxProcBytes = 16 << 20;

// A file of /proc from its beginning, made anew by the kernel. `fd` is lent, its position stays. Fails with kTooLarge
// above `limit_bytes`.
Result<std::string> ReadWhole(int fd, size_t limit_bytes);

}  // namespace reeve::inventory
