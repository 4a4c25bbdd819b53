#include "helpers/shut_in.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "agent/sandbox/capabilities.h"
#include "agent/sandbox/filter/filter_compile.h"
#include "agent/sandbox/landlock.h"
#include "agent/sandbox/seccomp_install.h"

#define ALLOWED(name)                                    \
  sandbox::CallRule {                                    \
    #name, SYS_##name, {}, {sandbox::Verdict::kAllow, 0} \
  }

namespace reeve::helpers {
namespace {

// Memory, but none that can be executed.
sandbox::CallRule NotExecutable(const char* name, int number) {
  return {name, number, {{2, PROT_EXEC, 0}}, {sandbox::Verdict::kAllow, 0}};
}

sandbox::FilterTable Table() {
  // Renaming and removing are for programs only: workers never do (filter/never_list.h).
  return {.otherwise = {sandbox::Verdict::kKill, 0},
          .rules = {ALLOWED(read),
                    ALLOWED(write),
                    ALLOWED(close),
                    ALLOWED(fstat),
                    ALLOWED(newfstatat),
                    ALLOWED(openat2),
                    ALLOWED(renameat),
                    ALLOWED(unlinkat),
                    ALLOWED(getdents64),
                    ALLOWED(fsync),
                    ALLOWED(getrandom),
                    ALLOWED(brk),
                    ALLOWED(munmap),
                    ALLOWED(mremap),
                    ALLOWED(madvise),
                    ALLOWED(futex),
                    ALLOWED(rt_sigreturn),
                    ALLOWED(restart_syscall),
                    ALLOWED(exit),
                    ALLOWED(exit_group),
                    NotExecutable("mmap", SYS_mmap),
                    NotExecutable("mprotect", SYS_mprotect)},
          .is_for_programs = true};
}

Status RestrictFiles(int directory_fd) {
  auto rules = sandbox::LandlockRules::Create();
  if (!rules && rules.error().code() == Code::kUnsupported) return {};
  if (!rules) return Fail(rules.error());
  if (directory_fd >= 0) REEVE_TRY(rules->Allow(directory_fd, policy::PathAccess::kReadWrite));
  return rules->Restrict();
}

}  // namespace

Status HideMemory() {
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) return FailErrno("make the process not dumpable");
  // A collector behind a pipe (core(5)) is started whatever the limit is, but for a limit of one byte.
  const rlimit one{1, 1}, none{0, 0};
  if (::setrlimit(RLIMIT_CORE, &one) < 0 && ::setrlimit(RLIMIT_CORE, &none) < 0) return FailErrno("forbid core files");
  return {};
}

Status BecomeOnly(const User& user) {
  REEVE_TRY(sandbox::SetAmbient(0));
  REEVE_TRY(sandbox::BecomeUserForGood(user.uid, user.gid, user.groups));
  REEVE_TRY(sandbox::WriteCapabilities({}));
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return FailErrno("set no_new_privs");
  ::umask(S_IRWXG | S_IRWXO);
  // A limit of the size of files, which the user may set on this process, is an error of the write.
  ::signal(SIGXFSZ, SIG_IGN);
  // The change of identity has undone these (prctl(2)).
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0) return FailErrno("set the parent-death signal");
  return HideMemory();
}

Result<std::vector<uint8_t>> CompileShutInFilter() {
  return sandbox::CompileFilter(Table());
}

Status ShutIn(int directory_fd, std::span<const uint8_t> filter) {
  REEVE_TRY(RestrictFiles(directory_fd));
#ifdef REEVE_SANITIZED  // whose runtime makes calls that no filter allows
  static_cast<void>(filter);
  return {};
#else
  return sandbox::InstallFilter(filter, sandbox::FilterScope::kThisThread);
#endif
}

}  // namespace reeve::helpers
