#pragma once

#include <string>
#include <vector>

#include "agent/config/config.h"

// A small configuration for unit tests of the core.

namespace reeve::core::testing_config {

using config::CommandSpec;
using config::TypeSpec;

inline constexpr uint32_t kExecPlugin = 1;
inline constexpr uint32_t kFreezePlugin = 2;

inline TypeSpec Type(TypeSpec::Kind kind) {
  TypeSpec type;
  type.kind = kind;
  return type;
}

// Types 0: no arguments, 1: int, 2: {id: int}, 3: string, 4: list of strings, 5: guest-exec's, 6: guest-file-open's.
inline std::vector<TypeSpec> Types() {
  TypeSpec nothing = Type(TypeSpec::Kind::kObject);
  TypeSpec id = nothing;
  id.members = {{"id", 1, false}};
  TypeSpec list = Type(TypeSpec::Kind::kList);
  list.element = 3;
  TypeSpec exec = nothing;
  exec.members = {{"path", 3, false}, {"arg", 4, true}, {"env", 4, true}, {"input-data", 3, true}};
  TypeSpec file = nothing;
  file.members = {{"path", 3, false}, {"mode", 3, true}};
  return {nothing, Type(TypeSpec::Kind::kInt), id, Type(TypeSpec::Kind::kString), list, exec, file};
}

inline CommandSpec Spec(const std::string& name, uint32_t arguments, uint32_t flags, uint32_t deadline_ms = 0) {
  CommandSpec spec;
  spec.name = name;
  spec.arguments = arguments;
  spec.flags = flags;
  spec.deadline_ms = deadline_ms;
  return spec;
}

inline config::Plugin Plugin(const std::string& name, std::vector<CommandSpec> commands) {
  config::Plugin plugin;
  plugin.name = name;
  plugin.types = Types();
  plugin.commands = std::move(commands);
  return plugin;
}

// Everything is allowed, as under profile `open`; one program rule and one directory.
inline config::Config Open() {
  using namespace config;
  Config config;
  config.guest_info_version = "0.1.0";
  config.generation = 7;
  const uint32_t always = kWhileFrozen | kIdempotent | kNeverDeniable;
  config.plugins.push_back(
      Plugin("core", {Spec("guest-sync-delimited", 2, always), Spec("guest-sync", 2, always),
                      Spec("guest-ping", 0, always), Spec("guest-info", 0, kWhileFrozen | kIdempotent)}));
  CommandSpec exec = Spec("guest-exec", 5, kChangesState | kAsksWarden, 5000);
  exec.check = ArgumentCheck::kProgram;
  CommandSpec open = Spec("guest-file-open", 6, kChangesState | kAsksWarden, 5000);
  open.check = ArgumentCheck::kFile;
  CommandSpec run = Spec("exec-run", 5, kChangesState | kAsksWarden | kProgramEndsWithRequest, 60'000);
  run.check = ArgumentCheck::kProgram;
  config.plugins.push_back(Plugin("exec", {exec, open, Spec("guest-get-osinfo", 0, kIdempotent, 5000),
                                           Spec("guest-shutdown", 0, kChangesState | kNoSuccessReply),
                                           Spec("guest-set-user-password", 2, kChangesState | kSecretInput), run}));
  config.plugins.push_back(Plugin(
      "fsfreeze", {Spec("guest-fsfreeze-freeze", 0, kChangesState), Spec("guest-fsfreeze-status", 0, kWhileFrozen),
                   Spec("guest-fsfreeze-thaw", 0, kWhileFrozen | kNeverDeniable)}));
  config.plugins[kFreezePlugin].sandbox.promises = {policy::Promise::kFreeze};

  policy::Policy& policy = config.policy;
  policy.profile_commands.allow = {{"*", {"profile", 1}}};
  policy::ProgramRule rule;
  rule.name = "echo";
  rule.origin = {"/etc/reeve/policy.yaml", 12};
  rule.run = "/bin/echo";
  rule.allows_any_args = true;
  policy.programs = {rule};
  policy::FileDirectory directory;
  directory.id = "logs";
  directory.origin = {"/etc/reeve/policy.yaml", 20};
  directory.path = "/var/log";
  directory.access = static_cast<policy::FileAccessMask>(policy::FileAccess::kRead);
  policy.directories = {directory};

  Channel channel;
  channel.name = "host";
  channel.transport = Transport::kUnixListen;
  config.channels = {channel};
  return config;
}

}  // namespace reeve::core::testing_config
