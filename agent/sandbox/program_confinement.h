#pragma once

#include <signal.h>
#include <sys/resource.h>
#include <sys/types.h>

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "agent/sandbox/cgroup.h"
#include "base/result.h"
#include "policy/profile.h"

// The confinement of a program that a rule permits (not of our own processes): called in the warden's forked
// child, which execs afterwards itself. One thread.

namespace reeve::sandbox {

// What the service manager gave the warden, taken first thing in its main, before it changes anything: a
// program must start as if qemu-ga had started it.
struct InitialSettings {
  mode_t umask = 022;
  std::array<rlimit, RLIM_NLIMITS> limits{};
  sigset_t blocked{};
  sigset_t ignored{};
  static Result<InitialSettings> Take();
  // Limits, mask, umask, and what was ignored. A limit that cannot be raised again is left. REQUIRES: no signal is handled
  // or ignored.
  void Restore() const;
};

// A program, and who it is to be. Plain value.
struct ConfinedProgram {
  policy::Confinement confinement = policy::Confinement::kService;
  InitialSettings settings;
  uid_t uid = 0;  // `sandboxed`: one that no other process has
  gid_t gid = 0;
  std::vector<gid_t> groups;
  std::string state_directory;      // `service`: writable; empty: nothing is
  std::span<const uint8_t> filter;  // CompileProgramFilter's bytes (filter/filter_compile.h); empty for `unconfined`
};

// Becomes what the confinement says, up to the exec. policy/REFERENCE.md tells each for people. In short:
// - unconfined: the initial settings come back, and the user changes.
// - admin: no capability for the kernel's own machinery, for the clock, for other processes or for reboot, now or by exec;
//   no new privileges; a filter that refuses the same.
// - hook: as admin, for root only; set-user programs work; no socket but AF_UNIX.
// - service: a user other than root, no capability, no new privileges, every file system read-only but for one directory.
//   For the programs of an ordinary user, who can make no mounts, Landlock alone holds that.
// - readonly: EnterReadOnlyTree (program_tree.h); root keeps only the right to read everything, a user nothing; no network,
//   no socket. Landlock holds devices and fifos. REQUIRES: a process id namespace of its own.
// - sandboxed: EnterSandboxTree; a user of its own without any right; no network; a list of allowed calls; limits.
//   REQUIRES: the same.
// Fails when the kernel lacks what a confinement stands on: nothing is left out silently. After a failure the child must
// end. Descriptors are the caller's business, before or after.
Status ConfineProgram(const ConfinedProgram& program);

// Whether the program must stand in a process id namespace of its own.
bool HasOwnProcessIds(policy::Confinement confinement);

// What all processes of such a program may have together, where control groups can hold it; 0: no limit. Each `sandboxed`
// one is held to it also by limits of its own user.
CgroupLimits LimitsOf(policy::Confinement confinement);

}  // namespace reeve::sandbox
