#include "agent/start/thaw_leftover.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>

#include "agent/warden/trusted_file.h"
#include "base/log.h"
#include "base/sys.h"
#include "storage/freeze_list.h"
#include "storage/thaw_all.h"

namespace reeve::start {
namespace {

// Opening for reading never waits for a thaw, as making a file or taking a lock by one may.
constexpr int kReadFlags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK;

bool IsMissing(const Error& error) {
  return error.system_errno() == ENOENT || error.system_errno() == ENOTDIR;
}

std::string ListPathIn(const std::string& run_directory) {
  return run_directory + "/state/fsfreeze";
}

// Nothing: there is none. An empty list is one of nothing.
Result<storage::FreezeList> ReadList(const std::string& path) {
  const Result<UniqueFd> file = sys::Open(path, kReadFlags);
  if (!file && IsMissing(file.error())) return storage::FreezeList{};
  if (!file) return Fail(file.error());
  const struct stat status = REEVE_TRY(sys::Stat(file->get()));
  if (!S_ISREG(status.st_mode)) return Fail(Code::kInvalidArgument, path + " is no file");
  REEVE_TRY(warden::CheckOwnership(status, path));
  return storage::FreezeListFile(file->get()).Read();
}

// The lock of run_directory.cc, under either of its names.
bool IsInUse(const std::string& run_directory) {
  for (const char* name : {"/lock", "/reeved.lock"}) {
    const Result<UniqueFd> lock = sys::Open(run_directory + name, kReadFlags);
    if (lock && ::flock(lock->get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) return true;
  }
  return false;
}

Status Forget(const std::string& path) {
  const UniqueFd file = REEVE_TRY(sys::Open(path, O_RDWR | O_NOFOLLOW));
  return storage::FreezeListFile(file.get()).Clear();
}

}  // namespace

Status ThawLeftover(const std::string& run_directory, Thawing thawing) {
  const std::string path = ListPathIn(run_directory);
  const storage::FreezeList list = REEVE_TRY(ReadList(path));
  if (list.is_damaged) LogWarning(path + " is damaged: what it names is thawed, and there may have been more");
  if (list.state == storage::FreezeListState::kNothing) return {};
  if (thawing == Thawing::kFirst && IsInUse(run_directory)) return {};
  const UniqueFd mountinfo = REEVE_TRY(sys::Open("/proc/self/mountinfo", O_RDONLY));
  storage::KernelThawCalls calls(mountinfo.get());
  const storage::ThawReport report = storage::ThawAll(list.entries, calls);
  for (const std::string& mount_point : report.thawed)
    LogWarning(mount_point + " was still frozen by an agent that has ended, and is thawed");
  for (const std::string& failure : report.failures) LogError("a file system may still be frozen: " + failure);
  if (!report.failures.empty())
    return Fail(Code::kUnavailable, std::to_string(report.failures.size()) + " file systems may still be frozen");
  return Forget(path);
}

}  // namespace reeve::start
