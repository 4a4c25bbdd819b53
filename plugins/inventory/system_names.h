#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "inventory_commands.hpp"
#include "plugins/inventory/file_stamp.h"
#include "plugins/inventory/os_release.h"

// What kernel and distribution call themselves.

namespace reeve::inventory {

// The first of /etc/os-release and /usr/lib/os-release that is there, read again when it has changed.
class OsReleaseFile {
 public:
  // Empty when there is none, or it cannot be read: then only the kernel is known.
  const OsRelease& Read();

 private:
  std::optional<FileStamp> stamp_;  // of what `values_` came from
  OsRelease values_;
};

inventory_manifest::GuestOSInfo OsInfoOf(const OsRelease& release);
Result<inventory_manifest::GuestHostName> HostName();

}  // namespace reeve::inventory
