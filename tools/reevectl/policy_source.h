#pragma once

#include <string>
#include <vector>

#include "agent/compile/compile.h"
#include "agent/compile/policy_layers.h"
#include "base/result.h"

namespace CLI {
class App;
}

// The options that say which policy is meant, for the subcommands of `policy`: what reeved would load here, unless files
// are named. Named files are only looked at, so they may be anybody's, and for another machine.

namespace reeve::reevectl {

struct PolicySource {
  std::vector<std::string> files;            // files and directories in place of all layers
  std::string policy;                        // --policy: a file or the name of a profile
  std::string etc_directory = "/etc/reeve";  // --etc-dir
  std::string vendor_directory;              // --vendor-dir; empty: the installation's
  std::string run_directory = "/run/reeve";  // --statedir
  std::string plugin_directory;              // --plugin-dir; empty: the installation's
};

// `source` outlives the parsing.
void AddPolicySource(CLI::App& subcommand, PolicySource& source);

// What there is to say of a policy, and what it comes to.
struct LoadedPolicy {
  std::vector<compile::PolicyFile> files;
  compile::Problems errors;  // empty: `config` is whole but for filters
  compile::Problems warnings;
  config::Config config;
};

// Fails when this program does not find its own installation.
Result<LoadedPolicy> Load(const PolicySource& source);

}  // namespace reeve::reevectl
