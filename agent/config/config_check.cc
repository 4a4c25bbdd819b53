#include "agent/config/config_check.h"

#include <set>
#include <string>

namespace reeve::config {
namespace {

// struct sock_filter, and the kernel's BPF_MAXINSNS.
constexpr size_t kInstructionBytes = 8;
constexpr size_t kMaxInstructions = 4096;
constexpr uint32_t kAllFlags = (kProgramEndsWithRequest << 1) - 1;

std::unexpected<Error> Bad(const std::string& what) {
  return Fail(Code::kBadMessage, "configuration: " + what);
}

Status CheckType(const Plugin& plugin, const TypeSpec& type) {
  const size_t count = plugin.types.size();
  if (type.kind == TypeSpec::Kind::kList && type.element >= count) return Bad(plugin.name + ": list of no type");
  for (const TypeSpec::MemberSpec& member : type.members) {
    if (member.type >= count) return Bad(plugin.name + ": member " + member.name + " has no type");
  }
  for (uint32_t alternative : type.alternatives) {
    if (alternative >= count || plugin.types[alternative].kind == TypeSpec::Kind::kAlternate) {
      return Bad(plugin.name + ": alternate " + type.name + " holds no type or an alternate");
    }
  }
  return {};
}

Status CheckCommand(const Plugin& plugin, const CommandSpec& command) {
  if (command.arguments >= plugin.types.size() || plugin.types[command.arguments].kind != TypeSpec::Kind::kObject) {
    return Bad("arguments of " + command.name + " are no object");
  }
  if ((command.flags & ~kAllFlags) != 0) return Bad("unknown flags of " + command.name);
  if (command.asks == 0 || command.asks > kMaxAsks) return Bad("too many asks of " + command.name);
  return {};
}

Status CheckFilter(const std::string& name, const std::vector<uint8_t>& filter) {
  if (filter.size() % kInstructionBytes != 0 || filter.size() / kInstructionBytes > kMaxInstructions) {
    return Bad("a filter of " + name + " is not whole");
  }
  return {};
}

Status CheckSandbox(const policy::SandboxProfile& sandbox) {
  REEVE_TRY(CheckFilter(sandbox.name, sandbox.load_filter));
  return CheckFilter(sandbox.name, sandbox.run_filter);
}

Status CheckProgramFilters(const Config& config) {
  if (config.program_filters.size() != policy::kConfinementCount) return Bad("the filters of programs are not whole");
  for (const auto& filter : config.program_filters) REEVE_TRY(CheckFilter("programs", filter));
  return {};
}

// The depth is limited by the blob's reader and by the parser.
Status CheckMatcher(const policy::Matcher& matcher) {
  if ((matcher.kind == policy::Matcher::Kind::kRepeat) != (matcher.of.size() == 1))
    return Bad("a repetition of nothing");
  for (const policy::Matcher& inner : matcher.of) {
    if (inner.kind == policy::Matcher::Kind::kRepeat) return Bad("a repetition of a repetition");
    REEVE_TRY(CheckMatcher(inner));
  }
  return {};
}

Status CheckRules(const std::vector<policy::ProgramRule>& rules) {
  for (const policy::ProgramRule& rule : rules) {
    for (const auto& alternative : rule.args) {
      for (const policy::Matcher& matcher : alternative) REEVE_TRY(CheckMatcher(matcher));
    }
  }
  return {};
}

Status CheckPolicy(const policy::Policy& policy) {
  REEVE_TRY(CheckRules(policy.programs));
  for (const policy::PluginRules& plugin : policy.plugins) REEVE_TRY(CheckRules(plugin.programs));
  for (const policy::ProgramDeny& deny : policy.program_denies) {
    if (deny.arg_any) REEVE_TRY(CheckMatcher(*deny.arg_any));
  }
  return {};
}

}  // namespace

Status Check(const Config& config) {
  if (config.plugins.empty()) return Bad("no plugin stands for the core's own commands");
  std::set<std::string> names;
  std::set<std::string> commands;
  for (const Plugin& plugin : config.plugins) {
    if (!names.insert(plugin.name).second) return Bad("plugin " + plugin.name + " stands twice");
    for (const TypeSpec& type : plugin.types) REEVE_TRY(CheckType(plugin, type));
    for (const CommandSpec& command : plugin.commands) {
      REEVE_TRY(CheckCommand(plugin, command));
      if (!commands.insert(command.name).second) return Bad("command " + command.name + " stands twice");
    }
    REEVE_TRY(CheckSandbox(plugin.sandbox));
  }
  REEVE_TRY(CheckSandbox(config.core));
  REEVE_TRY(CheckSandbox(config.log_process));
  REEVE_TRY(CheckProgramFilters(config));
  return CheckPolicy(config.policy);
}

}  // namespace reeve::config
