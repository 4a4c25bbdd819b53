#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace reeve::compile {

// The whole of a text file that decides what the agent may do. The file and every directory on its way must belong to
// root or to this process's own user and be writable by nobody else; directories may be sticky instead (decision M8). At most
// `limit_bytes`. Fails with kNotFound when there is none, kDenied when it may not be trusted.
Result<std::string> ReadTrusted(const std::string& path, size_t limit_bytes);

// The names in a trusted directory that end with `suffix`, sorted. An absent directory has none.
Result<std::vector<std::string>> ListTrusted(const std::string& directory, const std::string& suffix);

}  // namespace reeve::compile
