#pragma once

#include <cstdint>

#include "base/unique_fd.h"

namespace reeve::file {

// What stands behind a handle.
struct OpenFile {
  UniqueFd fd;                  // non-blocking
  uint64_t max_file_bytes = 0;  // the size that policy lets it grow to; 0: no limit
  bool appends = false;         // each write goes to its end
};

}  // namespace reeve::file
