#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/config/command_spec.h"
#include "policy/policy.h"
#include "policy/profile.h"

// The whole compiled configuration: what options, reeve.yaml, manifests and policy come to. Made by reeve-compile in a
// throw-away process, encoded into one flat blob (agent/config/blob.h) that warden and core map and decode, so both
// hold the same. Plain values.

namespace reeve::config {

enum class Transport : uint8_t { kVirtioSerial, kIsaSerial, kUnixListen, kVsockListen, kActivated };
// Whether a channel of this transport has a listening socket.
inline bool Listens(Transport transport) {
  return transport == Transport::kUnixListen || transport == Transport::kVsockListen ||
         transport == Transport::kActivated;
}

enum class Protocol : uint8_t { kQga, kOvirt, kReeve };

// The channel that reeve-compile adds to those of the configuration: the control socket, for root only.
inline constexpr char kControlChannel[] = "control";

struct Channel {
  std::string name;
  Protocol protocol = Protocol::kQga;
  Transport transport = Transport::kVirtioSerial;
  std::string path;                // device or socket; "cid:port" for vsock
  uint32_t sync_timeout_ms = 500;  // UINT32_MAX: never
  uint32_t socket_mode = 0755;     // of a unix socket that is listened on; qemu-ga's
};

struct LogSettings {
  bool is_verbose = false;
  std::string log_file;    // empty: stderr
  std::string audit_file;  // from the policy's audit sinks; empty: none
};

// A plugin: its manifest as written and the sandbox that policy left it.
struct Plugin {
  std::string name;  // short: "exec"
  std::string id;    // reverse domain: "org.reeve.exec"
  std::string version;
  uint32_t abi_major = 0;
  uint32_t abi_min_minor = 0;
  std::string library_path;  // absolute path of the shared object, beside its manifest
  bool is_enabled = true;
  std::string disabled_reason;      // shown in guest-info's log line and status when not enabled
  bool needs_handle_block = false;  // the warden reserves numbers in qga.state at each start
  uint32_t idle_exit_ms = 100'000;  // 0: never
  std::vector<TypeSpec> types;
  std::vector<CommandSpec> commands;
  std::string settings_json;
  policy::SandboxProfile sandbox;
};

struct Config {
  uint64_t generation = 0;
  std::string run_directory;   // -t, else RUNTIME_DIRECTORY, else /run/reeve
  uint32_t first_uid = 78000;  // the reserved range, `uid-range:`
  uint32_t uid_count = 256;
  uint32_t first_program_uid = 0;  // of the range's last, for programs confined as `sandboxed`
  uint32_t program_uid_count = 0;  // 0: no rule wants one
  bool is_unprivileged = false;    // served by an ordinary user (agent/config/unprivileged.h)
  LogSettings log;
  std::vector<Channel> channels;
  std::vector<Plugin> plugins;  // plugins[0] is the core's own: sync, ping, info (no library, no worker)
  policy::Policy policy;
  policy::SandboxProfile core;
  policy::SandboxProfile log_process;
  // BPF of programs by their policy::Confinement, kConfinementCount of them; empty for `unconfined` and for those that no rule uses.
  std::vector<std::vector<uint8_t>> program_filters = std::vector<std::vector<uint8_t>>(policy::kConfinementCount);
  // Loud lines for the log at every start with this configuration ("policy open: ...", "policy.yaml is bad: ...").
  std::vector<std::string> warnings;
  std::string guest_info_version;  // what guest-info says
  std::string fsfreeze_hook;       // -F; empty: none
};

}  // namespace reeve::config
