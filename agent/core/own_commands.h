#pragma once

#include <cstdint>
#include <string>

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
  Reply Run(Asker& asker, const Command& command, const Request& request);

 private:
  // All that its text hangs on but the configuration, which stays.
  struct InfoKey {
    uint32_t channel = 0;
    Peer::Kind peer_kind = Peer::Kind::kSerial;
    uint32_t peer_number = 0;
    bool is_frozen = false;
    bool operator==(const InfoKey&) const = default;
  };
  // The last text is kept: a host that asks again and again costs the others no time.
  const std::string& Info(Asker& asker);
  std::string InfoText(Asker& asker) const;

  const config::Config& config_;
  const CommandTable& table_;
  const CommandAccess& access_;
  InfoKey info_key_;
  std::string info_;
};

}  // namespace reeve::core
