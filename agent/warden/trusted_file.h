#pragma once

#include <sys/stat.h>

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

// Which files the warden lets into its processes. May sleep on a file system: only in a forked child,
// or at start.

namespace reeve::warden {

// The owner is root or this process's own user, and nobody else may write it; a directory may be sticky instead.
Status CheckOwnership(const struct stat& status, const std::string& path);

// Every directory on the way to `path`, which is absolute, passes CheckOwnership.
Status CheckWay(const std::string& path);

// The regular file at `path`, opened for reading and checked with the way to it. A symlink is not followed.
Result<UniqueFd> OpenTrustedFile(const std::string& path);

}  // namespace reeve::warden
