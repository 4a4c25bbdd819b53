#pragma once

#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "agent/config/config.h"
#include "agent/config/manifest.h"
#include "agent/config/settings.h"
#include "policy/policy.h"

// Options, settings, manifests and policy become one configuration. Pure: what must be looked up on the machine (users,
// programs, taken uids) and the filters are filled in afterwards by agent/compile.

namespace reeve::config {

// What the command line and qemu-ga.conf say; it wins over reeve.yaml.
struct CommandLine {
  std::string method;  // as -m takes it; empty with an empty path: not given
  std::string path;
  std::optional<int> activated_fd;  // a listening socket from the service manager, at this number in the core
  std::string run_directory = "/run/reeve";
  std::vector<std::string> blocked_commands;  // narrow the policy
  std::vector<std::string> allowed_commands;  // when not empty: nothing else
  std::string log_file;
  std::string fsfreeze_hook;
  std::string os_release;  // $QGA_OS_RELEASE: in place of /etc/os-release
  bool is_verbose = false;
  std::optional<policy::RunAs> ordinary_user;  // who serves, when that is not root: --unprivileged
  uint64_t generation = 1;
};

struct ManifestFile {
  Manifest manifest;
  std::string library_path;  // empty: the core's own
};

struct Assembly {
  CommandLine command_line;
  Settings settings;
  std::vector<ManifestFile> manifests;  // the core's own first
  policy::Policy policy;
};

// Fails, with one line for each mistake, when the parts do not fit together: two plugins with one command, a policy for a
// plugin that is not there, more plugins than uids, a bad channel on the command line.
std::expected<Config, std::vector<std::string>> Assemble(Assembly assembly);

}  // namespace reeve::config
