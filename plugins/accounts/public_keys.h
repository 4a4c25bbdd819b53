#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace reeve::accounts {

// The keys as reeve-keys reads them, each with a line end. Fails with kInvalidArgument, in qemu-ga's words, on one that would be a comment,
// or more than one line, or has another control character than a tab or a last carriage return; with kTooLarge when they are
// too many. An empty key stays empty: it is a host's last line, and adds nothing. Pure.
Result<std::string> KeyLines(const std::vector<std::string>& keys);

}  // namespace reeve::accounts
