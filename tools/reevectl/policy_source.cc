#include "tools/reevectl/policy_source.h"

#include <CLI/CLI.hpp>
#include <filesystem>

#include "agent/compile/lookups.h"
#include "agent/compile/resolve.h"
#include "agent/config/command_names.h"
#include "agent/start/layout.h"
#include "policy/parse.h"

namespace reeve::reevectl {
namespace {

// The user that stands in for one who is not here, in a policy for another machine.
constexpr char kStandIn[] = " 65534 65534 65534 /\n";

std::string Absolute(const std::string& path) {
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(path, error);
  std::string text = error ? path : absolute.lexically_normal().string();
  while (text.size() > 1 && text.ends_with('/')) text.pop_back();
  return text;
}

bool NamesFiles(const PolicySource& source) {
  const auto& profiles = policy::ProfileNames();
  const bool is_profile = std::ranges::find(profiles, source.policy) != profiles.end();
  return !source.files.empty() || (!source.policy.empty() && !is_profile);
}

Result<compile::Options> CompileOptions(const PolicySource& source) {
  const start::Layout layout = REEVE_TRY(start::FindLayout());
  compile::Options options;
  options.policy = source.policy;
  options.policy_layers = source.files;
  options.trust = NamesFiles(source) ? compile::Trust::kAnybody : compile::Trust::kOwned;
  options.etc_directory = Absolute(source.etc_directory);
  options.vendor_policy_directory =
      Absolute(source.vendor_directory.empty() ? layout.policies : source.vendor_directory);
  options.command_line.run_directory = Absolute(source.run_directory);
  options.profiles_directory = layout.profiles;
  options.helper_directory = layout.binaries;
  options.plugin_directories = {Absolute(source.plugin_directory.empty() ? layout.plugins : source.plugin_directory)};
  return options;
}

// A policy that is only looked at may be for a machine with other users.
std::string WithStandIns(const std::string& answers, compile::Problems& warnings) {
  std::string known;
  for (size_t begin = 0; begin < answers.size();) {
    const size_t end = answers.find('\n', begin);
    const std::string line = answers.substr(begin, end - begin);
    begin = end + 1;
    if (!line.starts_with("user ")) continue;
    const bool is_absent = line.ends_with(" -");
    const std::string user = line.substr(0, line.size() - 2);
    if (is_absent) warnings.push_back("there is no " + user + " on this machine");
    known += is_absent ? user + kStandIn : line + "\n";
  }
  return known;
}

// A denial holds for a name and for every link to it, not for what the name itself is a link to.
void WarnOfDeniedLink(const std::string& path, const policy::Origin& origin, compile::Problems& warnings) {
  std::error_code error;
  const std::string target = std::filesystem::canonical(path, error);
  if (error || target == path) return;
  warnings.push_back(origin.ToString() + ": " + path + " is " + target +
                     " here, which this entry does not deny; name it too");
}

void WarnOfDeniedLinks(const policy::Policy& policy, compile::Problems& warnings) {
  for (const policy::ProgramDeny& deny : policy.program_denies) WarnOfDeniedLink(deny.run, deny.origin, warnings);
  for (const policy::FilePathDeny& deny : policy.file_denies) WarnOfDeniedLink(deny.glob, deny.origin, warnings);
}

void Assemble(const PolicySource& source, const compile::Options& options, LoadedPolicy& loaded) {
  auto gathered = compile::Gather(options);
  if (!gathered) {
    loaded.errors = gathered.error();
    return;
  }
  std::string answers = compile::Resolve(compile::LookupLines(*gathered));
  if (NamesFiles(source)) answers = WithStandIns(answers, loaded.warnings);
  auto whole = compile::LookUp(std::move(*gathered), answers);
  if (!whole) {
    loaded.errors = whole.error();
    return;
  }
  loaded.config = std::move(*whole);
  loaded.warnings.insert(loaded.warnings.end(), loaded.config.warnings.begin(), loaded.config.warnings.end());
  WarnOfDeniedLinks(loaded.config.policy, loaded.warnings);
  for (std::string& line : config::PatternsWithoutCommand(loaded.config)) loaded.warnings.push_back(std::move(line));
}

}  // namespace

void AddPolicySource(CLI::App& subcommand, PolicySource& source) {
  subcommand.add_option("--policy", source.policy, "This file, or profile minimal, standard or open, instead of all");
  subcommand.add_option("--etc-dir", source.etc_directory, "Directory of policy.yaml, policy.d and reeve.yaml")
      ->capture_default_str();
  subcommand.add_option("--vendor-dir", source.vendor_directory, "Directory of the packages' drop-ins");
  subcommand.add_option("-t,--statedir", source.run_directory, "The agent's run directory, for its policy.d")
      ->capture_default_str();
  subcommand.add_option("--plugin-dir", source.plugin_directory, "Directory of the plugins' manifests");
}

Result<LoadedPolicy> Load(const PolicySource& source) {
  const compile::Options options = REEVE_TRY(CompileOptions(source));
  LoadedPolicy loaded;
  if (source.policy.empty() || NamesFiles(source)) {
    if (auto layers = compile::ReadPolicyLayers(options)) loaded.files = std::move(layers->files);
  }
  Assemble(source, options, loaded);
  return loaded;
}

}  // namespace reeve::reevectl
