#include "tools/reevectl/policy_source.h"

#include <CLI/CLI.hpp>

#include "agent/start/layout.h"

namespace reeve::reevectl {

void AddPolicySource(CLI::App& subcommand, PolicySource& source) {
  subcommand.add_option("--policy", source.policy, "This file, or profile minimal, standard or open, instead of all");
  subcommand.add_option("--etc-dir", source.etc_directory, "Directory of policy.yaml and reeve.yaml")
      ->capture_default_str();
  subcommand.add_option("--plugin-dir", source.plugin_directory, "Directory of the plugins' manifests");
}

Result<compile::Options> CompileOptions(const PolicySource& source) {
  const start::Layout layout = REEVE_TRY(start::FindLayout());
  compile::Options options;
  options.policy = source.policy;
  options.etc_directory = source.etc_directory;
  options.profiles_directory = layout.profiles;
  options.vendor_policy_directory = layout.policies;
  options.plugin_directories = {source.plugin_directory.empty() ? layout.plugins : source.plugin_directory};
  return options;
}

}  // namespace reeve::reevectl
