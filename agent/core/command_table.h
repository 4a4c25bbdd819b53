#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agent/config/config.h"

namespace reeve::core {

// plugins[0] of the configuration: the commands that the core carries out itself.
inline constexpr uint32_t kOwnPlugin = 0;

// One command that exists, with what is needed to decide on it and to route it.
struct Command {
  const config::CommandSpec* spec = nullptr;
  const config::Plugin* plugin = nullptr;
  uint32_t number = 0;         // its place in CommandTable::all()
  uint32_t plugin_index = 0;   // into Config::plugins
  uint32_t command_index = 0;  // into Plugin::commands
  uint32_t deadline_ms = 0;    // the manifest's, lowered by policy; 0: none

  bool is_own() const { return plugin_index == kOwnPlugin; }
};

// All commands of a configuration by name, those of switched-off plugins too. Does not change after construction;
// thread-safe.
class CommandTable {
 public:
  // `config` is lent for the life of the table. Of two commands with one name the first stands (the compiler of the
  // configuration refuses such a one).
  explicit CommandTable(const config::Config& config);

  // nullptr: no such command. Names are case-sensitive.
  const Command* Find(std::string_view name) const;
  // In the order of the configuration.
  std::span<const Command> all() const { return commands_; }

 private:
  std::vector<Command> commands_;
  std::unordered_map<std::string_view, uint32_t> number_by_name_;
};

// Policy lowers a deadline and never lengthens one. A command that is never deniable keeps its own: a thaw has none.
uint32_t EffectiveDeadlineMs(const config::CommandSpec& spec, const policy::Policy& policy);

}  // namespace reeve::core
