#include "agent/core/command_access.h"

namespace reeve::core {
namespace {

policy::CommandCall CallOf(const Command& command) {
  return {command.spec->name, command.spec->Has(config::kNeverDeniable)};
}

// qemu-ga's phrase, which clients look for, and then why.
std::string Disabled(const Command& command, const std::string& why) {
  return "Command " + command.spec->name + " has been disabled: " + why;
}

std::string SwitchedOff(const config::Plugin& plugin) {
  const std::string text = "plugin '" + plugin.name + "' is switched off";
  return plugin.disabled_reason.empty() ? text : text + ": " + plugin.disabled_reason;
}

}  // namespace

const policy::Decision& CommandAccess::Decide(Asker& asker, const Command& command) const {
  if (asker.decisions.empty()) asker.decisions.resize(table_.all().size());
  std::optional<policy::Decision>& kept = asker.decisions[command.number];
  if (!kept) kept = decider_.Command(asker.caller(), CallOf(command));
  return *kept;
}

std::optional<CommandAccess::Refusal> CommandAccess::Refuse(Asker& asker, const Command& command) const {
  if (!command.plugin->is_enabled) return Refusal{Disabled(command, SwitchedOff(*command.plugin))};
  if (freeze_.is_frozen() && !command.spec->Has(config::kWhileFrozen))
    return Refusal{Disabled(command, "the agent is in frozen state")};
  // Also what the command line closed: a host must find its way to the thaw.
  if (freeze_.is_frozen() && command.spec->Has(config::kNeverDeniable)) return std::nullopt;
  const policy::Decision& decision = Decide(asker, command);
  if (decision.is_allowed()) return std::nullopt;
  return Refusal{policy::CommandRefusal(command.spec->name, decision), &decision};
}

bool CommandAccess::IsEnabled(Asker& asker, const Command& command) const {
  if (Refuse(asker, command)) return false;
  return decider_.CouldPass(asker.caller(), CallOf(command), command.spec->check == config::ArgumentCheck::kProgram,
                            command.spec->check == config::ArgumentCheck::kFile);
}

}  // namespace reeve::core
