#include "agent/config/assemble.h"

#include <algorithm>
#include <map>

#include "agent/config/effective_sandbox.h"
#include "agent/config/plugin_grants.h"
#include "policy/decide.h"
#include "policy/diagnostic.h"

namespace reeve::config {
namespace {

using Problems = std::vector<std::string>;

// The slots of the uid range.
constexpr uint32_t kCoreSlot = 0;
constexpr uint32_t kLogSlot = 1;
constexpr uint32_t kFirstPluginSlot = 2;
// Each is looked up at every start; more sandboxed programs at one time are refused.
constexpr uint32_t kMaxProgramUids = 32;

constexpr char kFileSink[] = "file:";

// Where a refusal by --block-rpcs or --allow-rpcs says that it stands.
const policy::Origin kCommandLineOrigin = {"the command line", 1};

Channel ChannelOfCommandLine(const CommandLine& line, Problems& problems) {
  Channel channel;
  channel.name = kDefaultChannel;
  channel.path = line.path;
  if (line.activated_fd) {
    channel.transport = Transport::kActivated;
    channel.path = std::to_string(*line.activated_fd);
  } else if (line.method.empty() || line.method == "virtio-serial") {
    channel.transport = Transport::kVirtioSerial;
    if (channel.path.empty()) channel.path = kDefaultPort;
  } else if (line.method == "isa-serial") {
    channel.transport = Transport::kIsaSerial;
    if (channel.path.empty()) channel.path = kDefaultTerminal;
  } else if (line.method == "unix-listen") {
    channel.transport = Transport::kUnixListen;
  } else if (line.method == "vsock-listen") {
    channel.transport = Transport::kVsockListen;
    if (!IsVsockAddress(line.path))
      problems.push_back("--path for vsock-listen must be CID:PORT, not '" + line.path + "'");
  } else {
    problems.push_back("--method " + line.method + " is none that is known");
  }
  if (channel.path.empty()) problems.push_back("--method " + line.method + " needs --path");
  return channel;
}

void SetChannels(const Assembly& parts, Config& config, Problems& problems) {
  const CommandLine& line = parts.command_line;
  const bool is_on_line = !line.method.empty() || !line.path.empty() || line.activated_fd;
  if (is_on_line || parts.settings.channels.empty()) {
    config.channels = {ChannelOfCommandLine(line, problems)};
    if (!parts.settings.channels.empty()) {
      config.warnings.push_back(
          "channels of reeve.yaml are not served: the command line or qemu-ga.conf names the one channel");
    }
  } else {
    config.channels = parts.settings.channels;
  }
}

// Where reevectl reaches the core. After all others, which keep their numbers.
void AddControlChannel(Config& config, Problems& problems) {
  const std::string path = config.run_directory + "/control";
  if (std::ranges::find(config.channels, path, &Channel::path) != config.channels.end())
    problems.push_back("path " + path + " is that of reevectl's socket, and of no other channel");
  if (path.size() > kMaxSocketPathBytes) {
    config.warnings.push_back("reevectl cannot reach the agent: " + path + " is too long for a socket");
    return;
  }
  config.channels.push_back({.name = kControlChannel,
                             .protocol = Protocol::kReeve,
                             .transport = Transport::kUnixListen,
                             .path = path,
                             .socket_mode = 0600});
}

const policy::PluginRules* RulesOf(const policy::Policy& policy, const std::string& plugin) {
  const auto found = std::ranges::find(policy.plugins, plugin, &policy::PluginRules::name);
  return found == policy.plugins.end() ? nullptr : &*found;
}

void ApplyRules(const policy::PluginRules& rules, Plugin& plugin) {
  plugin.is_enabled = rules.is_enabled;
  if (!rules.is_enabled) plugin.disabled_reason = "plugin disabled in " + rules.origin.ToString();
  if (rules.idle_exit_ms) plugin.idle_exit_ms = *rules.idle_exit_ms;
  plugin.settings_json = rules.settings_json;
}

void LowerDeadlines(const policy::Policy& policy, Plugin& plugin) {
  for (CommandSpec& command : plugin.commands) {
    uint32_t limit = policy.max_deadline_ms;
    if (const auto found = policy.command_deadline_ms.find(command.name); found != policy.command_deadline_ms.end()) {
      limit = found->second;
    }
    // A deadline of none (sync, thaw) is part of what the command is.
    if (limit != 0 && command.deadline_ms != 0) command.deadline_ms = std::min(command.deadline_ms, limit);
  }
}

// The plugin keeps each file within its directory's max-file. The kernel keeps the whole process within the largest of
// them, whatever the plugin does; a directory without one leaves it what policy granted.
void LimitFileSize(const policy::Policy& policy, Plugin& plugin) {
  const auto opens_files = [](const CommandSpec& command) { return command.check == ArgumentCheck::kFile; };
  if (policy.directories.empty() || std::ranges::none_of(plugin.commands, opens_files)) return;
  uint64_t largest = 0;
  for (const policy::FileDirectory& directory : policy.directories) {
    if (directory.max_file_bytes == 0) return;
    largest = std::max(largest, directory.max_file_bytes);
  }
  plugin.sandbox.limits.file_bytes = std::min(plugin.sandbox.limits.file_bytes, largest);
}

Plugin PluginOf(const ManifestFile& file, const policy::Policy& policy, uint32_t uid, Problems& warnings) {
  const Manifest& manifest = file.manifest;
  Plugin plugin;
  plugin.name = manifest.name;
  plugin.id = manifest.id;
  plugin.version = manifest.version;
  plugin.abi_major = manifest.abi_major;
  plugin.abi_min_minor = manifest.abi_min_minor;
  plugin.library_path = file.library_path;
  plugin.needs_handle_block = manifest.needs_handle_block;
  plugin.idle_exit_ms = manifest.idle_exit_ms;
  plugin.types = manifest.types;
  plugin.commands = manifest.commands;
  if (file.library_path.empty()) return plugin;
  const policy::PluginRules* rules = RulesOf(policy, manifest.name);
  EffectiveSandbox effective = Intersect(manifest, rules, policy.landlock_minimum);
  for (const std::string& what : effective.not_granted) {
    warnings.push_back("plugin " + manifest.name + " asks for " + what + ", which policy does not grant");
  }
  plugin.sandbox = std::move(effective.profile);
  plugin.sandbox.uid = uid;
  LimitFileSize(policy, plugin);
  if (rules != nullptr) ApplyRules(*rules, plugin);
  LowerDeadlines(policy, plugin);
  return plugin;
}

void SetPlugins(const Assembly& parts, Config& config, Problems& problems) {
  std::map<std::string, std::string> owners;
  uint32_t slot = kFirstPluginSlot;
  for (const ManifestFile& file : parts.manifests) {
    const bool is_core = file.library_path.empty();
    if (!is_core && slot >= config.uid_count) {
      problems.push_back("uid-range has no number left for plugin " + file.manifest.name);
      return;
    }
    const uint32_t uid = is_core ? 0 : config.first_uid + slot++;
    config.plugins.push_back(PluginOf(file, parts.policy, uid, config.warnings));
    for (const CommandSpec& command : file.manifest.commands) {
      const auto [owner, is_new] = owners.emplace(command.name, file.manifest.name);
      if (!is_new) {
        problems.push_back("command " + command.name + " is declared by plugin " + owner->second + " and by plugin " +
                           file.manifest.name);
      }
    }
  }
}

// Names in the policy that nothing here has. A plugin that is gone may still be switched off.
void CheckNames(const Assembly& parts, const Config& config, Problems& problems, Problems& warnings) {
  std::vector<std::string> plugins;
  for (const Plugin& plugin : config.plugins) plugins.push_back(plugin.name);
  for (const policy::PluginRules& rules : parts.policy.plugins) {
    if (std::ranges::find(plugins, rules.name) != plugins.end() || !rules.is_enabled) continue;
    // The profiles speak of plugins that may not be installed.
    if (rules.is_of_profile) continue;
    problems.push_back(rules.origin.ToString() + ": no plugin '" + rules.name + "' is installed" +
                       policy::DidYouMean(rules.name, plugins));
  }
  std::vector<std::string> channels;
  for (const Channel& channel : config.channels) channels.push_back(channel.name);
  for (const policy::ChannelRules& rules : parts.policy.channels) {
    if (std::ranges::find(channels, rules.name) != channels.end()) continue;
    warnings.push_back(rules.origin.ToString() + ": no channel '" + rules.name + "' is served" +
                       policy::DidYouMean(rules.name, channels));
  }
}

bool Lists(const std::vector<std::string>& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

// A block list closes sync and ping, the core's own, when it names them, as qemu-ga's does; an allow list that forgets them does
// not lock the host out. A thaw stays open.
bool IsClosed(const CommandLine& line, const CommandSpec& command, bool is_cores_own) {
  const bool is_blocked = Lists(line.blocked_commands, command.name);
  if (command.Has(kNeverDeniable)) return is_blocked && is_cores_own;
  return is_blocked || (!line.allowed_commands.empty() && !Lists(line.allowed_commands, command.name));
}

// The lists of the command line as denials, exact names, so that no allow of the policy is more specific.
void NarrowByCommandLine(const CommandLine& line, Config& config) {
  std::vector<policy::NamePattern>& deny = config.policy.commands.deny;
  for (const Plugin& plugin : config.plugins) {
    for (const CommandSpec& command : plugin.commands) {
      if (IsClosed(line, command, &plugin == &config.plugins.front()))
        deny.push_back({command.name, kCommandLineOrigin});
    }
  }
}

const CommandSpec* FindCommand(const Config& config, const std::string& name) {
  for (const Plugin& plugin : config.plugins) {
    const auto found = std::ranges::find(plugin.commands, name, &CommandSpec::name);
    if (found != plugin.commands.end()) return &*found;
  }
  return nullptr;
}

// A list that is cut at the wrong characters names no command, and closes nothing.
void WarnOfVainBlocks(const CommandLine& line, Config& config) {
  for (const std::string& name : line.blocked_commands) {
    if (!name.empty() && FindCommand(config, name) == nullptr)
      config.warnings.push_back("--block-rpcs lists " + name + ", which is no command here");
  }
}

// --allow-rpcs grants nothing; who thinks so is told.
void WarnOfVainAllows(const CommandLine& line, Config& config) {
  if (line.allowed_commands.empty()) return;
  const auto decider = policy::Decider::Create(config.policy);
  if (!decider) return;  // it is told with the policy's other mistakes
  for (const std::string& name : line.allowed_commands) {
    const CommandSpec* command = FindCommand(config, name);
    if (command == nullptr) {
      config.warnings.push_back("--allow-rpcs lists " + name + ", which is no command here");
      continue;
    }
    const policy::Decision decision = decider->Command({}, {name, command->Has(kNeverDeniable)});
    if (decision.is_allowed()) continue;
    config.warnings.push_back("--allow-rpcs lists " + name + ", which policy rule '" + decision.rule + "' in " +
                              decision.origin.ToString() + " refuses; it is not opened");
  }
}

void SetLog(const Assembly& parts, Config& config) {
  const CommandLine& line = parts.command_line;
  config.log.log_file = line.log_file.empty() ? parts.settings.log_file : line.log_file;
  config.log.is_verbose = line.is_verbose || parts.settings.is_verbose;
  for (const std::string& sink : parts.policy.audit.sinks) {
    if (sink.starts_with(kFileSink)) config.log.audit_file = sink.substr(sizeof kFileSink - 1);
  }
}

// Programs take their numbers from the end of the range, plugins from its beginning.
void ReserveProgramUids(const policy::Policy& policy, Config& config, Problems& problems) {
  const policy::ProgramRule* rule = nullptr;
  policy::EachProgramRule(policy, [&](const policy::ProgramRule& one) {
    if (rule == nullptr && one.confine == policy::Confinement::kSandboxed) rule = &one;
  });
  if (rule == nullptr) return;
  const auto taken = kFirstPluginSlot + static_cast<uint32_t>(config.plugins.size()) - 1;  // plugins[0] has no worker
  if (taken >= config.uid_count) {
    problems.push_back(rule->origin.ToString() + ": uid-range has no number left for sandboxed programs");
    return;
  }
  config.program_uid_count = std::min(config.uid_count - taken, kMaxProgramUids);
  config.first_program_uid = config.first_uid + config.uid_count - config.program_uid_count;
}

}  // namespace

std::expected<Config, Problems> Assemble(Assembly parts) {
  Problems problems;
  Config config;
  config.generation = parts.command_line.generation;
  config.run_directory = parts.command_line.run_directory;
  config.is_unprivileged = parts.command_line.ordinary_user.has_value();
  config.first_uid = parts.settings.first_uid;
  config.uid_count = parts.settings.uid_count;
  if (parts.policy.profile == policy::BaseProfile::kOpen) {
    config.warnings.push_back("policy open: the host may run any program and read and write any file as root (" +
                              parts.policy.default_origin.ToString() + ")");
  }
  config.guest_info_version = parts.settings.guest_info_version;
  config.fsfreeze_hook = parts.command_line.fsfreeze_hook;
  SetLog(parts, config);
  SetChannels(parts, config, problems);
  AddFsfreezeHook(parts.command_line.fsfreeze_hook, parts.policy);
  AddOsRelease(parts.command_line.os_release, parts.manifests, parts.policy);
  KeepRequested(parts.manifests, parts.policy, problems, config.warnings);
  SetPlugins(parts, config, problems);
  ReserveProgramUids(parts.policy, config, problems);
  CheckNames(parts, config, problems, config.warnings);
  AddControlChannel(config, problems);
  config.core = CoreSandbox(config.first_uid + kCoreSlot, parts.policy.landlock_minimum);
  config.log_process = LogSandbox(config.first_uid + kLogSlot, parts.policy.landlock_minimum);
  config.policy = std::move(parts.policy);
  WarnOfVainBlocks(parts.command_line, config);
  WarnOfVainAllows(parts.command_line, config);
  NarrowByCommandLine(parts.command_line, config);
  if (!problems.empty()) return std::unexpected(problems);
  return config;
}

}  // namespace reeve::config
