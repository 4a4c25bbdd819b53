#pragma once

#include <signal.h>
#include <sys/resource.h>
#include <sys/types.h>

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

// The confinement of a program that a rule permits (not of our own processes): called in the warden's forked
// child, which execs afterwards itself. One thread.

namespace reeve::sandbox {

// What the service manager gave the warden, taken first thing in its main, before it changes anything: a
// program must start as if qemu-ga had started it (decision M19).
struct InitialSettings {
  mode_t umask = 022;
  std::array<rlimit, RLIM_NLIMITS> limits{};
  sigset_t blocked{};
  sigset_t ignored{};
  static Result<InitialSettings> Take();
  // Default handlers but for what was ignored, limits, mask, umask. A limit that cannot be raised again is
  // left.
  void Restore() const;
};

// Profile `unconfined`: only the initial settings come back; the identity stays root's.
struct UnconfinedProgram {
  InitialSettings settings;
};
Status ConfineProgram(const UnconfinedProgram& program);

// Profile `service`: a named user, no capability now or later, no_new_privs, every file system read-only but
// for one directory, the host's network, a deny-list filter that also refuses new namespaces.
struct ServiceProgram {
  InitialSettings settings;
  uid_t uid = 0;  // REQUIRES: not 0
  gid_t gid = 0;
  std::vector<gid_t> groups;
  std::string state_directory;      // writable; empty: nothing is
  std::span<const uint8_t> filter;  // CompileProgramFilter's bytes (filter/filter_compile.h)
};
// Mount namespace where it may be made, else Landlock; fails when neither can make the file system read-only.
// After a failure the child must end. Descriptors are the caller's business, before or after.
Status ConfineProgram(const ServiceProgram& program);

}  // namespace reeve::sandbox
