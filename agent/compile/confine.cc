#include "agent/compile/confine.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "agent/sandbox/filter/filter_compile.h"
#include "agent/sandbox/landlock.h"
#include "agent/sandbox/seccomp_install.h"
#include "base/sys.h"

namespace reeve::compile {
namespace {

// What a plugin worker with read-only paths may do; asking who it is, for that decides whose files count; and a file in
// memory, through which the filter library gives its program.
sandbox::FilterTable Table() {
  policy::SandboxProfile profile;
  profile.promises = {policy::Promise::kStdio, policy::Promise::kReadPath};
  profile.paths = {{"/", policy::PathAccess::kRead}};
  sandbox::FilterTable table = sandbox::TableFor(profile, sandbox::FilterStage::kRun);
  const sandbox::Action allow = {sandbox::Verdict::kAllow, 0};
  table.rules.push_back({"geteuid", SYS_geteuid, {}, allow});
  table.rules.push_back({"memfd_create", SYS_memfd_create, {}, allow});
  table.rules.push_back({"ftruncate", SYS_ftruncate, {}, allow});
  return table;
}

Status RestrictFiles(const std::vector<std::string>& read_paths) {
  auto rules = sandbox::LandlockRules::Create();
  if (!rules && rules.error().code() == Code::kUnsupported) return {};
  if (!rules) return Fail(rules.error());
  for (const std::string& path : read_paths) {
    const Result<UniqueFd> fd = sys::Open(path, O_PATH);
    if (fd) REEVE_TRY(rules->Allow(fd->get(), policy::PathAccess::kRead));
  }
  return rules->Restrict();
}

}  // namespace

Status Confine(const std::vector<std::string>& read_paths) {
  // Also makes the filter library ask the kernel what it can, which the filter would not let it do later.
  const std::vector<uint8_t> filter = REEVE_TRY(sandbox::CompileFilter(Table()));
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return FailErrno("set no_new_privs");
  REEVE_TRY(RestrictFiles(read_paths));
#ifdef REEVE_SANITIZED  // whose runtime makes calls that no filter allows
  return {};
#else
  return sandbox::InstallFilter(filter, sandbox::FilterScope::kThisThread);
#endif
}

}  // namespace reeve::compile
