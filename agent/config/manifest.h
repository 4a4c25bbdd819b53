#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "agent/config/command_spec.h"
#include "policy/diagnostic.h"
#include "policy/profile.h"

// The manifest of a plugin (plugin-api/MANIFEST.md): text in, values out. Pure.

namespace reeve::config {

// What a plugin asks for. Limits begin as the base's (policy::ResourceLimits as made).
struct SandboxRequest {
  std::vector<policy::Promise> promises;
  std::vector<policy::PathGrant> paths;
  std::vector<policy::InheritedFd> inherited;
  uint64_t capabilities = 0;
  policy::ResourceLimits limits;
  bool wants_host_net = false;
  bool wants_host_uts = false;
  bool wants_host_mounts = false;
  // What its own commands have run and opened, by the names of policy's rules for it; kWhateverIsListed is all of those.
  struct ProgramWish {
    std::string name;
    bool is_standing = false;  // also without a live request
  };
  std::vector<ProgramWish> programs;
  std::vector<std::string> directories;
};
inline constexpr char kWhateverIsListed[] = "*";

struct Manifest {
  std::string name;  // of the file: "exec"
  std::string id;
  std::string version;
  std::string vendor;   // may be empty
  std::string licence;  // SPDX; may be empty
  uint32_t abi_major = 0;
  uint32_t abi_min_minor = 0;
  bool needs_handle_block = false;
  uint32_t idle_exit_ms = 100'000;  // 0: never
  std::vector<TypeSpec> types;
  std::vector<CommandSpec> commands;  // in the order written
  SandboxRequest sandbox;
};

// How every manifest's file name ends.
inline constexpr char kManifestSuffix[] = ".plugin.yaml";

// `file` names the text in diagnostics, and its last component must be NAME.plugin.yaml.
std::expected<Manifest, policy::Diagnostics> ParseManifest(const std::string& file, const std::string& text);

}  // namespace reeve::config
