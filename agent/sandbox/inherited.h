#pragma once

#include <sys/types.h>

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "policy/profile.h"

// Opens what a profile's InheritedFd names.

namespace reeve::sandbox {

// With the warden's view and rights: its mount table (a private one would show the machine's mounts under
// other names), its /proc, its network, its run directory. REQUIRES: not kSystemBus, and before unshare.
Result<UniqueFd> OpenInherited(const policy::InheritedFd& wanted, const std::string& run_directory, uid_t owner);

// kSystemBus: connected under the caller's present uid, which is who it is on the bus for ever.
Result<UniqueFd> ConnectSystemBus();
inline constexpr const char* kSystemBusPath = "/run/dbus/system_bus_socket";
inline constexpr const char* kJournalPath = "/run/systemd/journal/socket";

}  // namespace reeve::sandbox
