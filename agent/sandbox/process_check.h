#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "policy/profile.h"

// The warden's look from outside at a process that says it is confined: is it what was planned? Reads
// /proc/PID/{status,task,fd,ns}; never another process's mountinfo. Needs the right to look (root).

namespace reeve::sandbox {

enum class Stage : uint8_t {
  kLoad,  // after EnterLoad said so and before the plugin is loaded: exactly one thread
  kRun,   // after EnterRun: every thread carries every filter
};

struct ExpectedProcess {
  std::string name;              // begins the error: "worker exec"
  uint32_t uid = 0;              // real, effective, saved, fs; the gid is the same; no supplementary group
  bool is_unprivileged = false;  // then gid and groups are the caller's own, and so is the bounding set: not looked at
  uint64_t permitted = 0;        // CapPrm and CapEff; CapInh, CapBnd, CapAmb are 0
  uint32_t seccomp_filters = 0;
  bool has_one_thread = true;
  // /proc/PID/fd holds exactly these numbers. Not compared after the run sandbox stands (a plugin may hold
  // more).
  bool compares_fds = true;
  std::vector<int> fds;
  // Namespaces that must differ from the caller's, and those that must be the caller's: "mnt", "net", "uts",
  // "ipc", "pid".
  std::vector<std::string> private_namespaces;
  std::vector<std::string> shared_namespaces;
};

// What `profile` plans for `stage`. `fds` are the plan's numbers; 0, 1, 2 and the inherited ones are added.
// Filters that this process itself carries (a container's) are counted in, as the child inherits them.
Result<ExpectedProcess> Expect(const policy::SandboxProfile& profile, Stage stage, std::vector<int> fds);

// Fails naming the first line that differs: `worker exec: CapEff is 0000000000200000, planned
// 0000000000000000`.
Status CheckProcess(pid_t pid, const ExpectedProcess& expected);

// Whether any process that /proc shows has this uid, as any of its four.
Result<bool> IsUidInUse(uid_t uid);

}  // namespace reeve::sandbox
