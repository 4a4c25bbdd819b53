#include "helpers/home_directory.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <deque>
#include <utility>

#include "base/sys.h"

namespace reeve::helpers {
namespace {

constexpr int kMaxLinks = 8;
constexpr open_how kDirectory{
    .flags = O_PATH | O_DIRECTORY, .mode = 0, .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
constexpr open_how kLink{.flags = O_PATH | O_NOFOLLOW, .mode = 0, .resolve = RESOLVE_NO_MAGICLINKS};

// What is left of the way, the next name first.
using Names = std::deque<std::string>;

void PutFirst(Names& names, const std::string& path) {
  Names parts;
  for (size_t begin = 0; begin < path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    if (end > begin) parts.push_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  names.insert(names.begin(), parts.begin(), parts.end());
}

// Nobody but root can have made or changed a link there.
Result<bool> IsRootsAlone(int directory) {
  const struct stat status = REEVE_TRY(sys::Stat(directory));
  return status.st_uid == 0 && (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

Result<std::string> ReadTrustedLink(int directory, const std::string& name) {
  const UniqueFd link = REEVE_TRY(sys::OpenAt2(directory, name, kLink));
  const struct stat status = REEVE_TRY(sys::Stat(link.get()));
  const bool is_trusted = status.st_uid == 0 && REEVE_TRY(IsRootsAlone(directory));
  if (!S_ISLNK(status.st_mode) || !is_trusted)
    return Fail(Code::kDenied, "'" + name + "' is a symbolic link that is not root's alone");
  char target[PATH_MAX];
  const ssize_t length = ::readlinkat(link.get(), "", target, sizeof target);
  if (length <= 0 || length == static_cast<ssize_t>(sizeof target)) return FailErrno("read the link '" + name + "'");
  return std::string(target, static_cast<size_t>(length));
}

Result<UniqueFd> FollowTrustedLinks(const std::string& path) {
  UniqueFd directory = REEVE_TRY(sys::Open("/", O_PATH | O_DIRECTORY));
  Names names;
  PutFirst(names, path);
  int links = 0;
  while (!names.empty()) {
    const std::string name = std::exchange(names.front(), {});
    names.pop_front();
    Result<UniqueFd> next = sys::OpenAt2(directory.get(), name, kDirectory);
    if (next) {
      directory = std::move(*next);
      continue;
    }
    if (next.error().system_errno() != ELOOP) return next;
    if (++links > kMaxLinks) return Fail(Error::System(ELOOP, "'" + path + "'"));
    const std::string target = REEVE_TRY(ReadTrustedLink(directory.get(), name));
    if (target.starts_with('/')) directory = REEVE_TRY(sys::Open("/", O_PATH | O_DIRECTORY));
    PutFirst(names, target);
  }
  return directory;
}

}  // namespace

Result<UniqueFd> OpenHome(const std::string& path, uid_t uid) {
  if (!path.starts_with('/')) return Fail(Code::kNotFound, "the user has no home directory");
  Result<UniqueFd> home = sys::OpenAt2(AT_FDCWD, path, kDirectory);
  if (!home && home.error().system_errno() == ELOOP) home = FollowTrustedLinks(path);
  if (!home) return home;
  const struct stat status = REEVE_TRY(sys::Stat(home->get()));
  if (status.st_uid != uid && status.st_uid != 0)
    return Fail(Code::kDenied, "'" + path + "' belongs to user " + std::to_string(status.st_uid));
  return home;
}

}  // namespace reeve::helpers
