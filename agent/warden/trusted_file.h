#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

// Which files the warden lets into its processes. May sleep on a file system: only in a forked child,
// or at start.

namespace reeve::warden {

// The owner is root or this process's own user, and nobody else may write it; a directory may be sticky instead.
Status CheckOwnership(const struct stat& status, const std::string& path);

// What a sticky directory on the way counts for.
enum class Sticky : uint8_t {
  kAllowed,  // whoever else may write there cannot take away what is ours
  kRefused,  // nor put anything there while there is nothing
};

// Every directory on the way to `path`, which is absolute, passes CheckOwnership.
Status CheckWay(const std::string& path, Sticky sticky = Sticky::kAllowed);

// The regular file at `path`, opened for reading and checked with the way to it. A symlink is not followed.
Result<UniqueFd> OpenTrustedFile(const std::string& path);

}  // namespace reeve::warden
