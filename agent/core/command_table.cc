#include "agent/core/command_table.h"

#include <algorithm>

namespace reeve::core {
namespace {

// 0 is "none", the longest.
uint32_t ShorterDeadline(uint32_t one, uint32_t other) {
  if (one == 0 || other == 0) return std::max(one, other);
  return std::min(one, other);
}

}  // namespace

uint32_t EffectiveDeadlineMs(const config::CommandSpec& spec, const policy::Policy& policy) {
  if (spec.Has(config::kNeverDeniable)) return spec.deadline_ms;
  uint32_t deadline_ms = ShorterDeadline(spec.deadline_ms, policy.max_deadline_ms);
  const auto own = policy.command_deadline_ms.find(spec.name);
  if (own != policy.command_deadline_ms.end()) deadline_ms = ShorterDeadline(deadline_ms, own->second);
  return deadline_ms;
}

CommandTable::CommandTable(const config::Config& config) {
  for (uint32_t plugin_index = 0; plugin_index < config.plugins.size(); ++plugin_index) {
    const config::Plugin& plugin = config.plugins[plugin_index];
    for (uint32_t i = 0; i < plugin.commands.size(); ++i) {
      const config::CommandSpec& spec = plugin.commands[i];
      const auto number = static_cast<uint32_t>(commands_.size());
      if (!number_by_name_.try_emplace(spec.name, number).second) continue;
      commands_.push_back({&spec, &plugin, number, plugin_index, i, EffectiveDeadlineMs(spec, config.policy)});
    }
  }
}

const Command* CommandTable::Find(std::string_view name) const {
  const auto found = number_by_name_.find(name);
  return found == number_by_name_.end() ? nullptr : &commands_[found->second];
}

}  // namespace reeve::core
