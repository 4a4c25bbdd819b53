#pragma once

#include <optional>
#include <string>

#include "agent/core/asker.h"
#include "agent/core/command_table.h"
#include "agent/core/freeze_state.h"
#include "policy/decide.h"

namespace reeve::core {

// May this peer issue this command now, whatever its arguments? Not thread-safe.
class CommandAccess {
 public:
  // All are lent for the life of this.
  CommandAccess(const CommandTable& table, const policy::Decider& decider, const FreezeState& freeze)
      : table_(table), decider_(decider), freeze_(freeze) {}

  struct Refusal {
    std::string description;                     // as the host reads it; its class is CommandNotFound
    const policy::Decision* decision = nullptr;  // when it was policy; lent, as long as the asker
  };
  // Nothing: it may. In order: the plugin is switched off, file systems are frozen, policy.
  std::optional<Refusal> Refuse(Asker& asker, const Command& command) const;

  // `enabled` of guest-info: it may, and for exec and file commands some arguments could pass.
  bool IsEnabled(Asker& asker, const Command& command) const;

  bool is_frozen() const { return freeze_.is_frozen(); }
  // What policy says of the command as such.
  const policy::Decision& Decide(Asker& asker, const Command& command) const;

 private:
  const CommandTable& table_;
  const policy::Decider& decider_;
  const FreezeState& freeze_;
};

}  // namespace reeve::core
