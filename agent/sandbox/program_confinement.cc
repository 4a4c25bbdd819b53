#include "agent/sandbox/program_confinement.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "agent/sandbox/capabilities.h"
#include "agent/sandbox/landlock.h"
#include "agent/sandbox/namespaces.h"
#include "agent/sandbox/program_tree.h"
#include "agent/sandbox/seccomp_install.h"
#include "base/sys.h"

namespace reeve::sandbox {
namespace {

// Enough for a tool that looks at something or turns one file into another; a machine's service has a unit of its own.
constexpr uint64_t kConfinedMemoryBytes = 256ull << 20;
constexpr uint64_t kConfinedTasks = 64;

// The rule's directory as it is before everything becomes read-only. Taken before unshare (private_root.h).
Result<UniqueFd> TakeWritable(const std::string& directory) {
  if (directory.empty()) return UniqueFd();
  UniqueFd tree(::open_tree(AT_FDCWD, directory.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
  if (!tree) return FailErrno("take " + directory);
  return tree;
}

Status ReadOnlyByMounts(const std::string& state_directory) {
  const UniqueFd writable = REEVE_TRY(TakeWritable(state_directory));
  REEVE_TRY(UnshareMounts());
  REEVE_TRY(MakeTreeReadOnly());
  if (!writable) return {};
  if (::move_mount(writable.get(), "", AT_FDCWD, state_directory.c_str(), MOVE_MOUNT_F_EMPTY_PATH) < 0) {
    return FailErrno("mount " + state_directory);
  }
  return {};
}

Result<LandlockRules> WritingRules(const std::string& state_directory) {
  LandlockRules rules = REEVE_TRY(LandlockRules::CreateForWriting());
  for (const std::string& path : {state_directory, std::string("/dev/null")}) {
    if (path.empty()) continue;
    const UniqueFd file = REEVE_TRY(sys::Open(path, O_PATH));
    REEVE_TRY(rules.Allow(file.get(), policy::PathAccess::kReadWrite));
  }
  return rules;
}

Result<LandlockRules> SpecialFileRules() {
  LandlockRules rules = REEVE_TRY(LandlockRules::CreateForSpecialFiles());
  for (const char* path : {"/tmp", "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"}) {
    const Result<UniqueFd> file = sys::Open(path, O_PATH);
    if (file) REEVE_TRY(rules.Allow(file->get(), policy::PathAccess::kReadWrite));
  }
  return rules;
}

constexpr uint64_t Bit(unsigned capability) {
  return uint64_t{1} << capability;
}

constexpr uint64_t kNotForAdministrators = Bit(CAP_SYS_MODULE) | Bit(CAP_SYS_RAWIO) | Bit(CAP_SYS_PTRACE) |
                                           Bit(CAP_SYS_BOOT) | Bit(CAP_BPF) | Bit(CAP_PERFMON) | Bit(CAP_MAC_ADMIN) |
                                           Bit(CAP_MAC_OVERRIDE) | Bit(CAP_SYS_TIME);

// Now and by any later exec; the identity is not touched. An exec gives root the bounding set.
Status KeepCapabilities(uint64_t kept) {
  REEVE_TRY(SetInheritable(0));
  REEVE_TRY(SetAmbient(0));
  REEVE_TRY(DropBoundingSet(kept));
  const CapabilitySets now = REEVE_TRY(ReadCapabilities());
  return WriteCapabilities({.effective = now.effective & kept, .permitted = now.permitted & kept});
}

Status ForbidNewPrivileges() {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return FailErrno("set no_new_privs");
  return {};
}

// A user without any capability, now or later.
Status DropEverything(const ConfinedProgram& program) {
  REEVE_TRY(SetInheritable(0));
  REEVE_TRY(SetAmbient(0));
  REEVE_TRY(DropBoundingSet());
  REEVE_TRY(LockSecurebits());
  REEVE_TRY(BecomeUser(program.uid, program.gid, program.groups));
  REEVE_TRY(WriteCapabilities({}));
  REEVE_TRY(AssertNotRootAgain(program.gid));
  return ForbidNewPrivileges();
}

// Root's number opens what root owns, as before; the right to read the rest is all that is left of root.
Status KeepReading(const ConfinedProgram& program) {
  constexpr uint64_t kReading = Bit(CAP_DAC_READ_SEARCH);
  REEVE_TRY(SetInheritable(0));
  REEVE_TRY(SetAmbient(0));
  REEVE_TRY(DropBoundingSet(kReading));
  REEVE_TRY(BecomeUser(program.uid, program.gid, program.groups));
  const CapabilitySets now = REEVE_TRY(ReadCapabilities());
  const uint64_t kept = now.permitted & kReading;
  REEVE_TRY(WriteCapabilities({.effective = kept, .permitted = kept}));
  return ForbidNewPrivileges();
}

Status LimitSandboxed() {
  const CgroupLimits limits = LimitsOf(policy::Confinement::kSandboxed);
  const struct {
    __rlimit_resource resource;
    rlim_t value;
  } all[] = {{RLIMIT_CORE, 0}, {RLIMIT_NPROC, limits.tasks}, {RLIMIT_DATA, limits.memory_bytes}};
  for (const auto& [resource, value] : all) {
    rlimit now{};
    if (::getrlimit(resource, &now) < 0) return FailErrno("read limits");
    const rlimit wanted{std::min(now.rlim_max, value), std::min(now.rlim_max, value)};
    if (::setrlimit(resource, &wanted) < 0) return FailErrno("set limits");
  }
  return {};
}

Status ConfineUnconfined(const ConfinedProgram& program) {
  program.settings.Restore();
  if (program.uid == 0) return {};  // with the groups that root has
  return BecomeUserForGood(program.uid, program.gid, program.groups);
}

Status ConfineAdmin(const ConfinedProgram& program) {
  program.settings.Restore();
  REEVE_TRY(KeepCapabilities(~kNotForAdministrators));
  if (program.uid != 0) REEVE_TRY(BecomeUserForGood(program.uid, program.gid, program.groups));
  REEVE_TRY(ForbidNewPrivileges());
  return InstallFilter(program.filter, FilterScope::kThisThread);
}

Status ConfineHook(const ConfinedProgram& program) {
  if (program.uid != 0) return Fail(Code::kInvalidArgument, "a hook runs as root");
  program.settings.Restore();
  REEVE_TRY(KeepCapabilities(~kNotForAdministrators));
  return InstallFilter(program.filter, FilterScope::kThisThread);
}

// An ordinary user can make no mount and leave no bounding set; without new privileges the latter gives nothing.
Status ConfineServiceOfOrdinaryUser(const ConfinedProgram& program) {
  if (program.uid != ::geteuid() || program.gid != ::getegid()) {
    return Fail(Code::kDenied, "to act as another user takes root");
  }
  const LandlockRules rules = REEVE_TRY(WritingRules(program.state_directory));
  REEVE_TRY(SetInheritable(0));
  REEVE_TRY(SetAmbient(0));
  REEVE_TRY(WriteCapabilities({}));
  REEVE_TRY(ForbidNewPrivileges());
  REEVE_TRY(rules.Restrict());
  return InstallFilter(program.filter, FilterScope::kThisThread);
}

// A machine without the right to make a mount namespace still has Landlock's own refusals. Beside mounts it keeps the program
// from those of its user's processes that stand among writable ones. Landlock waits for no_new_privs.
Status ConfineService(const ConfinedProgram& program) {
  if (program.uid == 0)
    return Fail(Code::kInvalidArgument, "a program confined as service runs as a user other than root");
  program.settings.Restore();
  if (::geteuid() != 0) return ConfineServiceOfOrdinaryUser(program);
  const Status by_mounts = ReadOnlyByMounts(program.state_directory);
  const Result<LandlockRules> rules =
      by_mounts ? LandlockRules::CreateAgainstOtherProcesses() : WritingRules(program.state_directory);
  if (!rules && by_mounts) return Fail(rules.error());
  if (!rules) return Fail(rules.error().Within(by_mounts.error().message()));
  REEVE_TRY(DropEverything(program));
  REEVE_TRY(rules->Restrict());
  return InstallFilter(program.filter, FilterScope::kThisThread);
}

// A mount that is read-only does not keep anybody from writing to a device or a fifo on it, and root's number opens most:
// mounts without devices hold the former, Landlock both.
Status ConfineReadonly(const ConfinedProgram& program) {
  REEVE_TRY(EnterReadOnlyTree());
  const LandlockRules rules = REEVE_TRY(SpecialFileRules());
  program.settings.Restore();
  REEVE_TRY(program.uid == 0 ? KeepReading(program) : DropEverything(program));
  REEVE_TRY(rules.Restrict());
  return InstallFilter(program.filter, FilterScope::kThisThread);
}

Status ConfineSandboxed(const ConfinedProgram& program) {
  if (program.uid == 0) return Fail(Code::kInvalidArgument, "a sandboxed program has a user of its own");
  REEVE_TRY(EnterSandboxTree());
  program.settings.Restore();
  REEVE_TRY(LimitSandboxed());
  REEVE_TRY(DropEverything(program));
  return InstallFilter(program.filter, FilterScope::kThisThread);
}

}  // namespace

Result<InitialSettings> InitialSettings::Take() {
  InitialSettings settings;
  settings.umask = ::umask(0);
  ::umask(settings.umask);
  for (int resource = 0; resource < RLIM_NLIMITS; ++resource) {
    if (::getrlimit(static_cast<__rlimit_resource>(resource), &settings.limits[static_cast<size_t>(resource)]) < 0) {
      return FailErrno("read limits");
    }
  }
  if (::sigprocmask(SIG_SETMASK, nullptr, &settings.blocked) < 0) return FailErrno("read the signal mask");
  ::sigemptyset(&settings.ignored);
  for (int number = 1; number < NSIG; ++number) {
    struct sigaction action{};
    if (::sigaction(number, nullptr, &action) == 0 && action.sa_handler == SIG_IGN) {
      ::sigaddset(&settings.ignored, number);
    }
  }
  return settings;
}

void InitialSettings::Restore() const {
  for (int number = 1; number < NSIG; ++number) {
    if (::sigismember(&ignored, number) == 1) ::signal(number, SIG_IGN);
  }
  for (int resource = 0; resource < RLIM_NLIMITS; ++resource) {
    (void)::setrlimit(static_cast<__rlimit_resource>(resource), &limits[static_cast<size_t>(resource)]);
  }
  ::sigprocmask(SIG_SETMASK, &blocked, nullptr);
  ::umask(umask);
}

Status ConfineProgram(const ConfinedProgram& program) {
  switch (program.confinement) {
    case policy::Confinement::kUnconfined:
      return ConfineUnconfined(program);
    case policy::Confinement::kAdmin:
      return ConfineAdmin(program);
    case policy::Confinement::kService:
      return ConfineService(program);
    case policy::Confinement::kReadonly:
      return ConfineReadonly(program);
    case policy::Confinement::kSandboxed:
      return ConfineSandboxed(program);
    case policy::Confinement::kHook:
      return ConfineHook(program);
  }
  return Fail(Code::kUnsupported, "an unknown confinement");
}

bool HasOwnProcessIds(policy::Confinement confinement) {
  return confinement == policy::Confinement::kReadonly || confinement == policy::Confinement::kSandboxed;
}

CgroupLimits LimitsOf(policy::Confinement confinement) {
  if (!HasOwnProcessIds(confinement)) return {};
  return {.memory_bytes = kConfinedMemoryBytes, .tasks = kConfinedTasks};
}

}  // namespace reeve::sandbox
