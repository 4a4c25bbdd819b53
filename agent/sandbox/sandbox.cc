#include "agent/sandbox/sandbox.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <cerrno>

#include "agent/sandbox/capabilities.h"
#include "agent/sandbox/seccomp_install.h"
#include "base/log.h"

namespace reeve::sandbox {
namespace {

// linux/prctl.h of Linux 6.3; Debian 12's headers are 6.1's.
constexpr int kSetMemoryDenyWriteExecute = 65;
constexpr unsigned long kRefuseExecGain = 1;

Status ForbidDumps() {
  // exec made the process dumpable again; a dumpable one may be opened through /proc by its own uid.
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) return FailErrno("make the process not dumpable");
  return {};
}

Status ForbidOwnCode() {
  if (::prctl(kSetMemoryDenyWriteExecute, kRefuseExecGain, 0, 0, 0) == 0) return {};
  if (errno == EINVAL) return {};  // a kernel before 6.3: the filters refuse the same calls
  return FailErrno("forbid memory that is written and executed");
}

// The room for it is that of all data (policy::ResourceLimits). Where the service may not have so much, what is mapped later
// would fail in the middle: then nothing is locked, which costs speed at most, since a frozen file system can be read.
Result<bool> MayLockAll() {
  rlimit locked{}, data{};
  if (::getrlimit(RLIMIT_MEMLOCK, &locked) < 0 || ::getrlimit(RLIMIT_DATA, &data) < 0) return FailErrno("getrlimit");
  return locked.rlim_cur >= data.rlim_cur;
}

Status LockMemory(const SandboxEntry& entry) {
  if (!entry.locks_memory) return {};
  if (!REEVE_TRY(MayLockAll())) {
    LogWarning("memory is not locked: RLIMIT_MEMLOCK is below what the plugin may use");
    return {};
  }
  if (::mlockall(MCL_CURRENT | MCL_FUTURE) < 0) return FailErrno("lock memory");
  return {};
}

}  // namespace

Status EnterLoad(const SandboxEntry& entry) {
  REEVE_TRY(ForbidDumps());
  REEVE_TRY(ClearInheritedCapabilities());
  REEVE_TRY(LockMemory(entry));
  REEVE_TRY(ForbidOwnCode());
  if (entry.load_filter.empty()) return {};
  return InstallFilter(entry.load_filter, FilterScope::kThisThread);
}

Status EnterRun(const SandboxEntry& entry) {
  return InstallFilter(entry.run_filter, FilterScope::kAllThreads);
}

}  // namespace reeve::sandbox
