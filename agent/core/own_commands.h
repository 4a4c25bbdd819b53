#pragma once

#include "agent/core/asker.h"
#include "agent/core/command_access.h"
#include "agent/core/command_table.h"
#include "agent/request.h"

namespace reeve::core {

// The commands that need no worker: guest-sync, guest-sync-delimited, guest-ping, guest-info. Not thread-safe.
class OwnCommands {
 public:
  // All are lent for the life of this.
  OwnCommands(const config::Config& config, const CommandTable& table, const CommandAccess& access)
      : config_(config), table_(table), access_(access) {}

  // REQUIRES: command.is_own(), and the request's arguments were checked.
  Reply Run(Asker& asker, const Command& command, const Request& request) const;

 private:
  Reply Info(Asker& asker) const;

  const config::Config& config_;
  const CommandTable& table_;
  const CommandAccess& access_;
};

}  // namespace reeve::core
