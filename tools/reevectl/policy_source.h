#pragma once

#include <string>

#include "agent/compile/options.h"
#include "base/result.h"

namespace CLI {
class App;
}

// The options that say which policy is meant, for the subcommands of `policy`: the files of this machine unless others
// are named.

namespace reeve::reevectl {

struct PolicySource {
  std::string policy;                        // --policy: a file or the name of a profile
  std::string etc_directory = "/etc/reeve";  // --etc-dir
  std::string plugin_directory;              // --plugin-dir; empty: the installation's
};

// `source` outlives the parsing.
void AddPolicySource(CLI::App& subcommand, PolicySource& source);

// What reeve-compile would be started with.
Result<compile::Options> CompileOptions(const PolicySource& source);

}  // namespace reeve::reevectl
