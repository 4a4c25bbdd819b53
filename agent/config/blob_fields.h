#pragma once

#include <concepts>
#include <type_traits>

#include "agent/config/config.h"

// The fields of every struct in the compiled configuration, once, for sizing, encoding and decoding alike. Taking a
// struct apart names all its fields: one that was added and is not here does not compile.

namespace reeve::config::blob {

template <typename T, typename U>
concept Is = std::same_as<std::remove_const_t<T>, U>;

void Fields(auto& archive, Is<policy::Origin> auto& v) {
  auto& [file, line] = v;
  archive(file, line);
}

void Fields(auto& archive, Is<policy::NamePattern> auto& v) {
  auto& [pattern, origin] = v;
  archive(pattern, origin);
}

void Fields(auto& archive, Is<policy::CommandRules> auto& v) {
  auto& [allow, deny] = v;
  archive(allow, deny);
}

void Fields(auto& archive, Is<policy::Matcher> auto& v) {
  auto& [kind, text, texts, minimum, maximum, is_equals, max_bytes, of] = v;
  archive(kind, text, texts, minimum, maximum, is_equals, max_bytes, of);
}

void Fields(auto& archive, Is<policy::RunAs> auto& v) {
  auto& [name, uid, gid, groups, home] = v;
  archive(name, uid, gid, groups, home);
}

void Fields(auto& archive, Is<policy::ProgramIdentity> auto& v) {
  auto& [resolved_path, device, inode] = v;
  archive(resolved_path, device, inode);
}

void Fields(auto& archive, Is<policy::ProgramRule> auto& v) {
  auto& [name, origin, run, program, args, allows_any_args, as, confine, timeout_ms, output_bytes, allows_stdin,
         stdin_max_bytes, inherits_environment, env_keep, env_set, state_directory, reason, is_of_profile,
         is_standing] = v;
  archive(name, origin, run, program, args, allows_any_args, as, confine, timeout_ms, output_bytes, allows_stdin,
          stdin_max_bytes, inherits_environment, env_keep, env_set, state_directory, reason, is_of_profile,
          is_standing);
}

void Fields(auto& archive, Is<policy::FileDirectory> auto& v) {
  auto& [id, origin, path, access, as, match, max_file_bytes, follows_symlinks_within, allows_any_type, reason,
         is_of_profile] = v;
  archive(id, origin, path, access, as, match, max_file_bytes, follows_symlinks_within, allows_any_type, reason,
          is_of_profile);
}

void Fields(auto& archive, Is<policy::FilePathDeny> auto& v) {
  auto& [glob, origin] = v;
  archive(glob, origin);
}

void Fields(auto& archive, Is<policy::ProgramDeny> auto& v) {
  auto& [run, arg_any, origin] = v;
  archive(run, arg_any, origin);
}

void Fields(auto& archive, Is<policy::ChannelRules> auto& v) {
  auto& [name, origin, match_vsock_cid, match_unix_uid, commands] = v;
  archive(name, origin, match_vsock_cid, match_unix_uid, commands);
}

void Fields(auto& archive, Is<policy::PluginRules> auto& v) {
  auto& [name, origin, is_of_profile, is_enabled, promises, paths, memory_bytes, open_files, tasks, file_bytes,
         capabilities, inherit, namespaces, idle_exit_ms, settings_json, programs, directories] = v;
  archive(name, origin, is_of_profile, is_enabled, promises, paths, memory_bytes, open_files, tasks, file_bytes,
          capabilities, inherit, namespaces, idle_exit_ms, settings_json, programs, directories);
}

void Fields(auto& archive, Is<policy::AuditRules> auto& v) {
  auto& [decisions, sinks] = v;
  archive(decisions, sinks);
}

void Fields(auto& archive, Is<policy::RestartRules> auto& v) {
  auto& [initial_ms, max_ms, budget, period_ms] = v;
  archive(initial_ms, max_ms, budget, period_ms);
}

void Fields(auto& archive, Is<policy::Policy> auto& v) {
  auto& [name, default_origin, profile, commands, profile_commands, channels, programs, program_denies, directories,
         file_denies, plugins, audit, max_deadline_ms, command_deadline_ms, landlock_minimum, restart] = v;
  archive(name, default_origin, profile, commands, profile_commands, channels, programs, program_denies, directories,
          file_denies, plugins, audit, max_deadline_ms, command_deadline_ms, landlock_minimum, restart);
}

void Fields(auto& archive, Is<policy::PathGrant> auto& v) {
  auto& [path, access] = v;
  archive(path, access);
}

void Fields(auto& archive, Is<policy::InheritedFd> auto& v) {
  auto& [kind, name, path, mode] = v;
  archive(kind, name, path, mode);
}

void Fields(auto& archive, Is<policy::ResourceLimits> auto& v) {
  auto& [data_bytes, file_bytes, open_files, tasks, locked_bytes] = v;
  archive(data_bytes, file_bytes, open_files, tasks, locked_bytes);
}

void Fields(auto& archive, Is<policy::SandboxProfile> auto& v) {
  auto& [name, role, uid, is_unprivileged, capabilities, mounts, has_host_net, has_host_uts, has_host_pid,
         dies_with_parent, locks_memory, makes_threads, promises, paths, inherited, limits, landlock_minimum,
         load_filter, run_filter] = v;
  archive(name, role, uid, is_unprivileged, capabilities, mounts, has_host_net, has_host_uts, has_host_pid,
          dies_with_parent, locks_memory, makes_threads, promises, paths, inherited, limits, landlock_minimum,
          load_filter, run_filter);
}

void Fields(auto& archive, Is<TypeSpec::MemberSpec> auto& v) {
  auto& [name, type, is_optional] = v;
  archive(name, type, is_optional);
}

void Fields(auto& archive, Is<TypeSpec> auto& v) {
  auto& [kind, name, enum_values, element, members, alternatives] = v;
  archive(kind, name, enum_values, element, members, alternatives);
}

void Fields(auto& archive, Is<CommandSpec> auto& v) {
  auto& [name, check, flags, deadline_ms, arguments, asks, object] = v;
  archive(name, check, flags, deadline_ms, arguments, asks, object);
}

void Fields(auto& archive, Is<Channel> auto& v) {
  auto& [name, protocol, transport, path, sync_timeout_ms, socket_mode] = v;
  archive(name, protocol, transport, path, sync_timeout_ms, socket_mode);
}

void Fields(auto& archive, Is<LogSettings> auto& v) {
  auto& [is_verbose, log_file, audit_file] = v;
  archive(is_verbose, log_file, audit_file);
}

void Fields(auto& archive, Is<Plugin> auto& v) {
  auto& [name, id, version, abi_major, abi_min_minor, library_path, is_enabled, disabled_reason, needs_handle_block,
         idle_exit_ms, types, commands, settings_json, sandbox] = v;
  archive(name, id, version, abi_major, abi_min_minor, library_path, is_enabled, disabled_reason, needs_handle_block,
          idle_exit_ms, types, commands, settings_json, sandbox);
}

void Fields(auto& archive, Is<Config> auto& v) {
  auto& [generation, run_directory, first_uid, uid_count, first_program_uid, program_uid_count, is_unprivileged, log,
         channels, plugins, policy, core, log_process, program_filters, warnings, guest_info_version, fsfreeze_hook] =
      v;
  archive(generation, run_directory, first_uid, uid_count, first_program_uid, program_uid_count, is_unprivileged, log,
          channels, plugins, policy, core, log_process, program_filters, warnings, guest_info_version, fsfreeze_hook);
}

// The last value of each enumeration; a larger one in a block is refused.
template <typename E>
inline constexpr E kLast = E{};
template <>
inline constexpr auto kLast<policy::Matcher::Kind> = policy::Matcher::Kind::kRepeat;
template <>
inline constexpr auto kLast<policy::Confinement> = policy::Confinement::kHook;
template <>
inline constexpr auto kLast<policy::AuditRules::Decisions> = policy::AuditRules::Decisions::kAll;
template <>
inline constexpr auto kLast<policy::BaseProfile> = policy::BaseProfile::kOpen;
template <>
inline constexpr auto kLast<policy::Promise> = policy::Promise::kSetClock;
template <>
inline constexpr auto kLast<policy::PathAccess> = policy::PathAccess::kReadWrite;
template <>
inline constexpr auto kLast<policy::InheritedFd::Kind> = policy::InheritedFd::Kind::kJournal;
template <>
inline constexpr auto kLast<policy::MountView> = policy::MountView::kRecursiveSlave;
template <>
inline constexpr auto kLast<policy::Role> = policy::Role::kWorker;
template <>
inline constexpr auto kLast<TypeSpec::Kind> = TypeSpec::Kind::kAny;
template <>
inline constexpr auto kLast<ArgumentCheck> = ArgumentCheck::kFile;
template <>
inline constexpr auto kLast<Protocol> = Protocol::kReeve;
template <>
inline constexpr auto kLast<Transport> = Transport::kActivated;

}  // namespace reeve::config::blob
