#pragma once

#include "base/result.h"

// What a program of a rule sees of the machine's files, where that is not everything. In the child, as root. After a failure the
// child must end. The umask is zero afterwards, the working directory `/`.

namespace reeve::sandbox {

// The machine's tree: read-only, also against root, without set-user programs, and without devices but the harmless
// (null, zero, full, random, urandom). An empty /tmp that goes with the program. Unshares what UnshareForProgram does.
Status EnterReadOnlyTree();

// A tree of its own: /usr with what is mounted beneath, /bin, /sbin and /lib* as they are here, the loader's cache and Debian's
// alternatives, read-only; the harmless devices; an empty /tmp; a /proc that shows only the process id namespace of this
// process, and of it only who this process may look at. REQUIRES: a process id namespace of its own.
Status EnterSandboxTree();

// Every mount becomes read-only. REQUIRES: a mount namespace of its own.
Status MakeTreeReadOnly();

}  // namespace reeve::sandbox
