#include "agent/sandbox/program_confinement.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/sandbox/capabilities.h"
#include "agent/sandbox/landlock.h"
#include "agent/sandbox/namespaces.h"
#include "agent/sandbox/seccomp_install.h"
#include "base/sys.h"

namespace reeve::sandbox {
namespace {

// The rule's directory as it is before everything becomes read-only. Taken before unshare (private_root.h).
Result<UniqueFd> TakeWritable(const std::string& directory) {
  if (directory.empty()) return UniqueFd();
  UniqueFd tree(::open_tree(AT_FDCWD, directory.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
  if (!tree) return FailErrno("take " + directory);
  return tree;
}

Status MakeEverythingReadOnly() {
  mount_attr wanted{};
  wanted.attr_set = MOUNT_ATTR_RDONLY;
  if (::mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &wanted, sizeof wanted) < 0) {
    return FailErrno("make the file system read-only");
  }
  return {};
}

Status ReadOnlyByMounts(const std::string& state_directory) {
  const UniqueFd writable = REEVE_TRY(TakeWritable(state_directory));
  REEVE_TRY(UnshareMounts());
  REEVE_TRY(MakeEverythingReadOnly());
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

// A machine without the right to make a mount namespace still has Landlock, which waits for no_new_privs.
Status DropEverything(const ServiceProgram& program) {
  REEVE_TRY(SetInheritable(0));
  REEVE_TRY(SetAmbient(0));
  REEVE_TRY(DropBoundingSet());
  REEVE_TRY(LockSecurebits());
  REEVE_TRY(BecomeUser(program.uid, program.gid, program.groups));
  REEVE_TRY(WriteCapabilities({}));
  REEVE_TRY(AssertNotRootAgain());
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return FailErrno("set no_new_privs");
  return {};
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
    ::signal(number, ::sigismember(&ignored, number) == 1 ? SIG_IGN : SIG_DFL);
  }
  for (int resource = 0; resource < RLIM_NLIMITS; ++resource) {
    (void)::setrlimit(static_cast<__rlimit_resource>(resource), &limits[static_cast<size_t>(resource)]);
  }
  ::sigprocmask(SIG_SETMASK, &blocked, nullptr);
  ::umask(umask);
}

Status ConfineProgram(const UnconfinedProgram& program) {
  program.settings.Restore();
  return {};
}

Status ConfineProgram(const ServiceProgram& program) {
  if (program.uid == 0) return Fail(Code::kInvalidArgument, "a service program cannot run as root");
  program.settings.Restore();
  const Status by_mounts = ReadOnlyByMounts(program.state_directory);
  if (by_mounts) {
    REEVE_TRY(DropEverything(program));
    return InstallFilter(program.filter, FilterScope::kThisThread);
  }
  const Result<LandlockRules> rules = WritingRules(program.state_directory);
  if (!rules) return Fail(rules.error().Within(by_mounts.error().message()));
  REEVE_TRY(DropEverything(program));
  REEVE_TRY(rules->Restrict());
  return InstallFilter(program.filter, FilterScope::kThisThread);
}

}  // namespace reeve::sandbox
