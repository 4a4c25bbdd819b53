#include "agent/start/thaw_leftover.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>
#include <ranges>
#include <thread>
#include <utility>

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

// A killed worker ends once the kernel is done with what it was asked last: the freeze of a file system with much to write.
constexpr std::chrono::seconds kLeftoverPatience{60};

// Of what cannot be thawed so many are named: whoever wrote the list may have been taken over.
constexpr std::ptrdiff_t kMaxNamed = 32;

std::string ListPathIn(const std::string& run_directory) {
  return run_directory + "/state/fsfreeze";
}

struct FoundList {
  UniqueFd file;
  storage::FreezeList list;
};

// Nothing: there is none. An empty list is one of nothing.
Result<FoundList> FindList(const std::string& path) {
  Result<UniqueFd> file = sys::Open(path, kReadFlags);
  if (!file && IsMissing(file.error())) return FoundList{};
  if (!file) return Fail(file.error());
  const struct stat status = REEVE_TRY(sys::Stat(file->get()));
  if (!S_ISREG(status.st_mode)) return Fail(Code::kInvalidArgument, path + " is no file");
  REEVE_TRY(warden::CheckOwnership(status, path));
  storage::FreezeList list = REEVE_TRY(storage::FreezeListFile(file->get()).Read());
  return FoundList{std::move(*file), std::move(list)};
}

// The worker that wrote the list has a lock on it until its last thread has ended (agent/sandbox/inherited.cc). Until then the
// kernel may be carrying out a freeze of it, which no thaw before its end undoes.
bool MayStillFreeze(const UniqueFd& list_file) {
  return ::flock(list_file.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

Result<storage::ThawReport> Thaw(const storage::FreezeList& list) {
  const UniqueFd mountinfo = REEVE_TRY(sys::Open("/proc/self/mountinfo", O_RDONLY));
  storage::KernelThawCalls calls(mountinfo.get());
  storage::ThawReport report = storage::ThawAll(list.entries, calls);
  for (const std::string& mount_point : report.thawed)
    LogWarning(mount_point + " was still frozen by an agent that has ended, and is thawed");
  return report;
}

// Thaws until no process of the worker is left, and once after that. Fails when one is left after `patience`.
Result<storage::ThawReport> ThawUntilItsEnd(const FoundList& found, std::chrono::milliseconds patience) {
  constexpr std::chrono::milliseconds kPause{50};
  for (;; patience -= kPause) {
    const bool is_last = !MayStillFreeze(found.file);
    storage::ThawReport report = REEVE_TRY(Thaw(found.list));
    if (is_last) return report;
    if (patience <= kPause) return Fail(Code::kTimedOut, "the process that froze has not ended");
    std::this_thread::sleep_for(kPause);
  }
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
  const FoundList found = REEVE_TRY(FindList(path));
  if (found.list.is_damaged) LogWarning(path + " is damaged: what it names is thawed, and there may have been more");
  if (found.list.state == storage::FreezeListState::kNothing) return {};
  const bool is_in_use = IsInUse(run_directory);
  if (thawing == Thawing::kFirst && is_in_use) return {};
  // The worker of an agent that lives is not waited for.
  const storage::ThawReport report =
      REEVE_TRY(is_in_use ? Thaw(found.list) : ThawUntilItsEnd(found, kLeftoverPatience));
  for (const std::string& failure : report.failures | std::views::take(kMaxNamed))
    LogError("a file system may still be frozen: " + failure);
  if (!report.failures.empty())
    return Fail(Code::kUnavailable, std::to_string(report.failures.size()) + " file systems may still be frozen");
  return Forget(path);
}

Status ThawForStuckWorker(const std::string& run_directory, std::chrono::milliseconds patience) {
  const FoundList found = REEVE_TRY(FindList(ListPathIn(run_directory)));
  if (found.list.state == storage::FreezeListState::kNothing) return {};
  REEVE_TRY(ThawUntilItsEnd(found, patience));
  return {};
}

}  // namespace reeve::start
