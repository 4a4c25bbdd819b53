#pragma once

#include "base/result.h"
#include "policy/profile.h"

// Namespaces of this process.

namespace reeve::sandbox {

// unshare(2) of mount and ipc always, of network and host name unless the profile shares the machine's. The
// process ids' namespace is made by the clone (CloneFlagsFor). Mounts made here reach nobody: with
// kPrivateRoot nothing comes in either, with kRecursiveSlave the machine's later mounts and unmounts do.
Status UnshareFor(const policy::SandboxProfile& profile);

// Only the mount namespace, private.
Status UnshareMounts();
// Mounts, private; network without any but a loopback that is down; host name; System V and POSIX queues.
Status UnshareForProgram();

}  // namespace reeve::sandbox
