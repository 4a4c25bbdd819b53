#pragma once

#include <functional>
#include <vector>

#include "base/result.h"

namespace reeve::warden {

// Runs `body` in a process id namespace of its own and then ends as that ended, by the same status or signal. For a child of
// the warden, which becomes the keeper: it stays outside the namespace, as the process that the warden and the host know. The
// first process within reaps whatever loses its parent, and when `body`'s process has ended, everything else in the
// namespace ends with it (pid_namespaces(7)); so it does when keeper or warden die.
// Signals to the keeper's process group reach all three; keeper and first process live on until they are killed.
// Returns only in the keeper, and only when it could not begin; `tell` is called with why, in whichever process that
// found out. Descriptors 0, 1, 2 and `kept_fds` are `body`'s alone.
int KeepProgram(const std::vector<int>& kept_fds, const std::function<int()>& body,
                const std::function<void(const Error&)>& tell);

}  // namespace reeve::warden
