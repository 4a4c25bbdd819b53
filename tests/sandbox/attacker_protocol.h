#pragma once

#include <cstdint>

// Between a test and the process that it confines. The test hands the filters in a memory file at kPolicyFd:
// FilterSizes, the load filter, the run filter. On kControlFd the process sends kReady in its sandbox, waits
// for one byte, and sends kActed.

namespace reeve::attacks {

struct FilterSizes {
  uint64_t load = 0;
  uint64_t run = 0;
};

enum ReportKind : int32_t { kReady = 1, kActed = 2 };

struct AttackReport {
  int32_t kind = 0;
  int32_t result = 0;  // -1: refused
  int32_t error = 0;   // errno
};

}  // namespace reeve::attacks
