#pragma once

#include <sys/types.h>

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace reeve::helpers {

// The home directory as an O_PATH descriptor, which is what counts from then on, and not the name. The way to it may lead through a
// symbolic link only when it is root's, in a directory that root alone may write (/home is a link on some systems); the directory
// itself must belong to `uid` or to root, as sshd wants it (StrictModes). The error says what stands where.
Result<UniqueFd> OpenHome(const std::string& path, uid_t uid);

}  // namespace reeve::helpers
