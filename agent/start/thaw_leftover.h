#pragma once

#include <chrono>
#include <string>

#include "base/result.h"

namespace reeve::start {

enum class Thawing {
  kFirst,     // the first act of a start: not while another reeved uses the run directory, whose freeze it then is
  kOnDemand,  // reeved --thaw: whoever froze it
};

// Thaws what the list of frozen file systems in `run_directory` still names, and nothing else; says of each that it was, and
// which cannot be. Without such a list, or a directory, there is nothing to do. Touches no file that may stand on a frozen
// file system before all are thawed. Fails when one may still be frozen, or the list cannot be read.
Status ThawLeftover(const std::string& run_directory, Thawing thawing);

// In a child of the warden, for a freezing worker that was killed and does not end: thaws what the list names, again and again
// until that process is gone or `patience` is over. The list stays for the next worker.
// kTimedOut: it is not.
Status ThawForStuckWorker(const std::string& run_directory, std::chrono::milliseconds patience);

}  // namespace reeve::start
