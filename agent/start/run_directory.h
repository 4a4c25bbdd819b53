#pragma once

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace reeve::start {

// Makes the run directory and what stands in it if they are missing, checks that nobody else may write there, and takes its
// `lock`: held as long as the descriptor is open. Fails, naming the directory, when another reeved holds it. Before serving: it
// may sleep on the file system.
Result<UniqueFd> TakeRunDirectory(const std::string& path);

// What the names of the control groups of its programs begin with: `reeve-`, and then what tells this run directory from any
// other of the machine, also from one of the same path in another mount namespace, and is the same when the directory was
// removed and made again. Fails when it is not there.
Result<std::string> GroupPrefix(const std::string& run_directory);

}  // namespace reeve::start
