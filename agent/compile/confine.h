#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace reeve::compile {

// From here on this process opens nothing but what is beneath `read_paths`, and that only for reading; it makes no
// process, no socket and no file. What is already open stays usable. A path that is not there is passed over. On a kernel
// without Landlock only the filter holds. REQUIRES: one thread.
Status Confine(const std::vector<std::string>& read_paths);

}  // namespace reeve::compile
