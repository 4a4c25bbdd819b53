#include "agent/warden/trusted_file.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/sys.h"

namespace reeve::warden {

Status CheckOwnership(const struct stat& status, const std::string& path) {
  if (status.st_uid != 0 && status.st_uid != ::geteuid())
    return Fail(Code::kDenied, path + " belongs to user " + std::to_string(status.st_uid) + ", not to root");
  const bool is_sticky_directory = S_ISDIR(status.st_mode) && (status.st_mode & S_ISVTX) != 0;
  // A group of root's own (gid 0) is root.
  const mode_t others = status.st_gid == 0 ? S_IWOTH : S_IWGRP | S_IWOTH;
  if ((status.st_mode & others) != 0 && !is_sticky_directory)
    return Fail(Code::kDenied, path + " may be written by others than its owner");
  return {};
}

Status CheckWay(const std::string& path, Sticky sticky) {
  if (path.empty() || path[0] != '/') return Fail(Code::kInvalidArgument, path + " is not an absolute path");
  for (size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    const std::string directory = path.substr(0, slash == 0 ? 1 : slash);
    const UniqueFd fd = REEVE_TRY(sys::Open(directory, O_PATH | O_DIRECTORY));
    const struct stat status = REEVE_TRY(sys::Stat(fd.get()));
    REEVE_TRY(CheckOwnership(status, directory));
    if (sticky == Sticky::kRefused && (status.st_mode & S_ISVTX) != 0)
      return Fail(Code::kDenied, directory + " may be written by others than its owner");
  }
  return {};
}

Result<UniqueFd> OpenTrustedFile(const std::string& path) {
  REEVE_TRY(CheckWay(path));
  UniqueFd fd = REEVE_TRY(sys::Open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
  const struct stat status = REEVE_TRY(sys::Stat(fd.get()));
  if (!S_ISREG(status.st_mode)) return Fail(Code::kDenied, path + " is not a regular file");
  REEVE_TRY(CheckOwnership(status, path));
  return fd;
}

}  // namespace reeve::warden
