#include "agent/start/run_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <filesystem>

#include "agent/warden/confined_process.h"
#include "agent/warden/trusted_file.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/sys.h"

namespace reeve::start {
namespace {

// One second.
constexpr int kLockAttempts = 100;
constexpr useconds_t kLockPauseUs = 10'000;

Status MakeDirectory(const std::string& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST) return FailErrno("make directory " + path);
  return {};
}

Result<UniqueFd> OpenLock(int directory_fd) {
  constexpr int kFlags = O_RDWR | O_CREAT | O_NOFOLLOW;
  Result<UniqueFd> lock = sys::OpenAt(directory_fd, "lock", kFlags, 0600);
  // With qemu-ga's own default, -t /var/run, that name is another's directory.
  const int error_number = lock ? 0 : lock.error().system_errno();
  if (error_number == EISDIR || error_number == ELOOP) return sys::OpenAt(directory_fd, "reeved.lock", kFlags, 0600);
  return lock;
}

// Who held it may have been killed a moment ago, and the kernel takes a process's files from it only at the end of its exit.
Status Lock(int fd, const std::string& run_directory) {
  for (int attempt = 0; ::flock(fd, LOCK_EX | LOCK_NB) != 0; ++attempt) {
    if (errno != EWOULDBLOCK) return FailErrno("lock " + run_directory + "/lock");
    if (attempt == kLockAttempts) return Fail(Code::kUnavailable, "another reeved runs in " + run_directory);
    ::usleep(kLockPauseUs);
  }
  return {};
}

// qemu-ga's mark, of an earlier one that ended while file systems were frozen: it means nothing to us but that.
void WarnOfFreeze(int directory_fd, const std::string& path) {
  constexpr char kMark[] = "qga.state.isfrozen";
  if (::faccessat(directory_fd, kMark, F_OK, AT_SYMLINK_NOFOLLOW) != 0) return;
  LogWarning(path + "/" + kMark +
             " says that qemu-ga left file systems frozen; it does not say which, so none is thawed by this "
             "start: fsfreeze --unfreeze MOUNTPOINT does");
}

}  // namespace

Result<std::string> GroupPrefix(const std::string& run_directory) {
  std::error_code error;
  const std::filesystem::path path = std::filesystem::canonical(run_directory, error);
  if (error) return Fail(Error::System(error.value(), "find " + run_directory));
  const UniqueFd parent = REEVE_TRY(sys::Open(path.parent_path().string(), O_PATH | O_DIRECTORY));
  const struct stat status = REEVE_TRY(sys::Stat(parent.get()));
  // Of fixed length, so that no name's prefix is the beginning of another's.
  char name[17];
  std::snprintf(name, sizeof name, "%016" PRIx64, DigestOf(AsBytes(path.filename().string())));
  return "reeve-" + std::to_string(status.st_dev) + "-" + std::to_string(status.st_ino) + "-" + name + "-";
}

Result<UniqueFd> TakeRunDirectory(const std::string& path) {
  REEVE_TRY(MakeDirectory(path, 0755));
  const UniqueFd directory = REEVE_TRY(sys::Open(path, O_RDONLY | O_DIRECTORY));
  const struct stat status = REEVE_TRY(sys::Stat(directory.get()));
  REEVE_TRY(warden::CheckOwnership(status, path));
  UniqueFd lock = REEVE_TRY(OpenLock(directory.get()));
  REEVE_TRY(Lock(lock.get(), path));
  WarnOfFreeze(directory.get(), path);
  REEVE_TRY(MakeDirectory(path + "/state", 0700));
  REEVE_TRY(MakeDirectory(warden::EmptyDirectoryIn(path), 0555));
  return lock;
}

}  // namespace reeve::start
