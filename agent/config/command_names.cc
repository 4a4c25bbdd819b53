#include "agent/config/command_names.h"

#include <algorithm>

#include "policy/diagnostic.h"
#include "policy/glob.h"

namespace reeve::config {
namespace {

void Compare(const std::vector<policy::NamePattern>& patterns, const std::vector<std::string>& commands,
             std::vector<std::string>& lines) {
  for (const policy::NamePattern& pattern : patterns) {
    const auto matches = [&](const std::string& command) { return policy::MatchesName(pattern.pattern, command); };
    if (std::ranges::any_of(commands, matches)) continue;
    lines.push_back(pattern.origin.ToString() + ": no installed plugin has a command '" + pattern.pattern + "'" +
                    policy::DidYouMean(pattern.pattern, commands));
  }
}

}  // namespace

std::vector<std::string> PatternsWithoutCommand(const Config& config) {
  std::vector<std::string> commands;
  for (const Plugin& plugin : config.plugins) {
    for (const CommandSpec& command : plugin.commands) commands.push_back(command.name);
  }
  std::vector<std::string> lines;
  Compare(config.policy.commands.allow, commands, lines);
  Compare(config.policy.commands.deny, commands, lines);
  for (const policy::ChannelRules& channel : config.policy.channels) {
    Compare(channel.commands.allow, commands, lines);
    Compare(channel.commands.deny, commands, lines);
  }
  return lines;
}

}  // namespace reeve::config
