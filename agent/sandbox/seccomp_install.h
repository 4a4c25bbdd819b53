#pragma once

#include <cstdint>
#include <span>

#include "base/result.h"

// The one place that gives a filter to the kernel.

namespace reeve::sandbox {

enum class FilterScope : uint8_t { kThisThread, kAllThreads };

// Installs `program` (struct sock_filter[] as bytes) by seccomp(2), with kOwnProcessMark replaced by
// getpid(). REQUIRES: no_new_privs. Fails with kInvalidArgument on an empty or odd-sized program.
Status InstallFilter(std::span<const uint8_t> program, FilterScope scope);

}  // namespace reeve::sandbox
