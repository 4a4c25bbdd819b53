#include "agent/compile/trusted_text.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "base/sys.h"

namespace reeve::compile {
namespace {

// More plugins than any machine has; keeps a wrong --plugin-dir from being read for ever.
constexpr size_t kMaxNames = 4096;

Status CheckOwner(const struct stat& status, const std::string& path) {
  if (status.st_uid != 0 && status.st_uid != ::geteuid()) {
    return Fail(Code::kDenied, path + ": belongs to user " + std::to_string(status.st_uid) + ", not to root");
  }
  const bool is_sticky_directory = S_ISDIR(status.st_mode) && (status.st_mode & S_ISVTX) != 0;
  // A group of number 0 is root's own.
  const mode_t others = status.st_gid == 0 ? S_IWOTH : S_IWGRP | S_IWOTH;
  if ((status.st_mode & others) != 0 && !is_sticky_directory) {
    return Fail(Code::kDenied, path + ": may be written by others than its owner");
  }
  return {};
}

// stat(2) follows links, so that the directory that is really meant is looked at; a link itself can only be set by who
// may write the directory that it stands in, which is looked at as well.
Status CheckWay(const std::string& path) {
  for (size_t slash = 0; slash != std::string::npos; slash = path.find('/', slash + 1)) {
    const std::string directory = slash == 0 ? "/" : path.substr(0, slash);
    struct stat status;
    if (::stat(directory.c_str(), &status) != 0) return FailErrno("look at " + directory);
    REEVE_TRY(CheckOwner(status, directory));
  }
  return {};
}

}  // namespace

Result<std::string> ReadTrusted(const std::string& path, size_t limit_bytes) {
  REEVE_TRY(CheckWay(path));
  const UniqueFd fd = REEVE_TRY(sys::Open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY));
  const struct stat status = REEVE_TRY(sys::Stat(fd.get()));
  if (!S_ISREG(status.st_mode)) return Fail(Code::kDenied, path + ": is not a regular file");
  REEVE_TRY(CheckOwner(status, path));
  return sys::ReadToEnd(fd.get(), limit_bytes);
}

Result<std::vector<std::string>> ListTrusted(const std::string& directory, const std::string& suffix) {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::opendir(directory.c_str()), ::closedir);
  if (stream == nullptr && errno == ENOENT) return names;
  if (stream == nullptr) return FailErrno("open directory " + directory);
  REEVE_TRY(CheckWay(directory + "/"));
  while (const struct dirent* entry = ::readdir(stream.get())) {
    const std::string name = entry->d_name;
    if (name.ends_with(suffix) && !name.starts_with('.')) names.push_back(name);
    if (names.size() > kMaxNames) return Fail(Code::kTooLarge, directory + ": more than 4096 files");
  }
  std::ranges::sort(names);
  return names;
}

}  // namespace reeve::compile
