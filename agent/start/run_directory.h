#pragma once

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace reeve::start {

// Makes the run directory and what stands in it if they are missing, checks that nobody else may write there, and takes its
// `lock`: held as long as the descriptor is open. Fails, naming the directory, when another reeved holds it. Before serving: it
// may sleep on the file system.
Result<UniqueFd> TakeRunDirectory(const std::string& path);

}  // namespace reeve::start
