#include "agent/compile/compile.h"

#include <algorithm>
#include <set>

#include "agent/compile/lookups.h"
#include "agent/compile/policy_layers.h"
#include "agent/compile/trusted_text.h"
#include "agent/config/unprivileged.h"
#include "agent/sandbox/filter/filter_compile.h"
#include "policy/decide.h"
#include "policy/parse.h"
#include "policy/yaml_reader.h"

namespace reeve::compile {
namespace {

using policy::BaseProfile;
using policy::Diagnostics;
using policy::PolicyText;

Problems Lines(const Diagnostics& diagnostics) {
  Problems lines;
  for (const policy::Diagnostic& diagnostic : diagnostics) lines.push_back(diagnostic.ToString());
  return lines;
}

std::expected<policy::ProfileTexts, Problems> ReadProfiles(const Options& options) {
  policy::ProfileTexts texts;
  for (size_t i = 0; i < texts.size(); i++) {
    texts[i].file = options.profiles_directory + "/" + policy::ProfileNames()[i] + ".yaml";
    Result<std::string> text = ReadText(options.trust, texts[i].file, policy::kMaxYamlBytes);
    if (!text) return std::unexpected(Problems{text.error().message()});
    texts[i].text = std::move(*text);
  }
  return texts;
}

std::optional<BaseProfile> NamedProfile(const Options& options) {
  if (options.is_fallback) return BaseProfile::kMinimal;
  const auto& names = policy::ProfileNames();
  const auto found = std::ranges::find(names, options.policy);
  if (found == names.end()) return std::nullopt;
  return static_cast<BaseProfile>(found - names.begin());
}

std::expected<policy::Policy, Problems> ReadPolicy(const Options& options, Problems& warnings) {
  const auto profiles = ReadProfiles(options);
  if (!profiles) return std::unexpected(profiles.error());
  std::expected<policy::Policy, Diagnostics> parsed;
  if (const auto profile = NamedProfile(options)) {
    parsed = policy::ParseProfile(*profile, *profiles);
  } else {
    const auto layers = ReadPolicyLayers(options);
    if (!layers) return std::unexpected(layers.error());
    Diagnostics doubts;
    parsed = policy::ParseLayers(layers->texts, *profiles, doubts);
    warnings.insert(warnings.end(), layers->warnings.begin(), layers->warnings.end());
    for (const std::string& line : Lines(doubts)) warnings.push_back(line);
  }
  if (!parsed) return std::unexpected(Lines(parsed.error()));
  return std::move(*parsed);
}

std::expected<config::Settings, Problems> ReadSettings(const Options& options) {
  const std::string path = options.etc_directory + "/reeve.yaml";
  const Result<std::string> text = ReadText(options.trust, path, policy::kMaxYamlBytes);
  if (!text && text.error().code() == Code::kNotFound) return config::Settings();
  if (!text) return std::unexpected(Problems{text.error().message()});
  auto settings = config::ParseSettings(path, *text);
  if (!settings) return std::unexpected(Lines(settings.error()));
  return std::move(*settings);
}

std::expected<config::Manifest, Problems> ReadManifest(const Options& options, const std::string& path) {
  const Result<std::string> text = ReadText(options.trust, path, policy::kMaxYamlBytes);
  if (!text) return std::unexpected(Problems{text.error().message()});
  auto manifest = config::ParseManifest(path, *text);
  if (!manifest) return std::unexpected(Lines(manifest.error()));
  return std::move(*manifest);
}

// The core's own manifest stands beside the profiles' folder.
std::string CoreManifestPath(const Options& options) {
  return options.profiles_directory.substr(0, options.profiles_directory.rfind('/')) + "/core" +
         config::kManifestSuffix;
}

// A plugin of an earlier directory hides one of the same name in a later.
void AddPlugins(const Options& options, const std::string& directory, std::vector<config::ManifestFile>& manifests,
                Problems& warnings) {
  const auto names = ListTrusted(directory, config::kManifestSuffix, Listing::kStickyIsEnough);
  if (!names) return warnings.push_back(names.error().message());
  for (const std::string& name : *names) {
    auto manifest = ReadManifest(options, directory + "/" + name);
    if (!manifest) {
      warnings.insert(warnings.end(), manifest.error().begin(), manifest.error().end());
      warnings.push_back("plugin " + directory + "/" + name + " is left out: its manifest is wrong");
      continue;
    }
    const bool is_hidden = std::ranges::any_of(
        manifests, [&](const config::ManifestFile& file) { return file.manifest.name == manifest->name; });
    const std::string library = directory + "/" + manifest->name + ".so";
    if (!is_hidden) manifests.push_back({std::move(*manifest), library});
  }
}

std::expected<std::vector<config::ManifestFile>, Problems> ReadManifests(const Options& options, Problems& warnings) {
  std::vector<config::ManifestFile> manifests;
  auto core = ReadManifest(options, CoreManifestPath(options));
  if (!core) return std::unexpected(core.error());
  manifests.push_back({std::move(*core), ""});
  for (const std::string& directory : options.plugin_directories) AddPlugins(options, directory, manifests, warnings);
  return manifests;
}

Status CompileAllFilters(config::Config& config) {
  REEVE_TRY(sandbox::CompileFilters(config.core));
  REEVE_TRY(sandbox::CompileFilters(config.log_process));
  for (config::Plugin& plugin : config.plugins) {
    if (!plugin.library_path.empty()) REEVE_TRY(sandbox::CompileFilters(plugin.sandbox));
  }
  config.program_filters.assign(policy::kConfinementCount, {});
  std::set<policy::Confinement> used;
  policy::EachProgramRule(config.policy, [&](const policy::ProgramRule& rule) { used.insert(rule.confine); });
  for (const policy::Confinement confinement : used) {
    config.program_filters[static_cast<size_t>(confinement)] = REEVE_TRY(sandbox::CompileProgramFilter(confinement));
  }
  return {};
}

// A program without a slash is one of Reeve's own.
void FindHelpers(const Options& options, policy::Policy& policy) {
  policy::EachProgramRule(policy, [&](policy::ProgramRule& rule) {
    if (rule.run != "*" && rule.run.find('/') == std::string::npos)
      rule.run = options.helper_directory + "/" + rule.run;
  });
}

}  // namespace

std::expected<config::Config, Problems> Gather(const Options& options) {
  Problems problems;
  Problems warnings = options.warnings;
  auto policy = ReadPolicy(options, warnings);
  if (!policy) problems = policy.error();
  if (policy) FindHelpers(options, *policy);
  auto settings = ReadSettings(options);
  if (!settings && options.is_fallback) {
    warnings.insert(warnings.end(), settings.error().begin(), settings.error().end());
    settings = config::Settings();
  } else if (!settings) {
    problems.insert(problems.end(), settings.error().begin(), settings.error().end());
  }
  auto manifests = ReadManifests(options, warnings);
  if (!manifests) problems.insert(problems.end(), manifests.error().begin(), manifests.error().end());
  if (!problems.empty()) return std::unexpected(problems);
  auto config =
      config::Assemble({options.command_line, std::move(*settings), std::move(*manifests), std::move(*policy)});
  if (!config) return std::unexpected(config.error());
  config->warnings.insert(config->warnings.begin(), warnings.begin(), warnings.end());
  if (config->guest_info_version.empty()) config->guest_info_version = REEVE_VERSION;
  return std::move(*config);
}

std::expected<config::Config, Problems> LookUp(config::Config config, std::string_view answers,
                                               const std::optional<policy::RunAs>& ordinary_user) {
  const Result<Lookups> lookups = ParseLookups(answers);
  if (!lookups) return std::unexpected(Problems{lookups.error().message()});
  const Problems problems = Apply(*lookups, config);
  if (!problems.empty()) return std::unexpected(problems);
  if (ordinary_user) config::TakePrivileges(*ordinary_user, config);
  ResolvePrograms(config.policy, config.warnings);
  if (auto decider = policy::Decider::Create(config.policy); !decider) {
    return std::unexpected(Problems{decider.error().message()});
  }
  return config;
}

std::expected<config::Config, Problems> Finish(config::Config config, std::string_view answers,
                                               const std::optional<policy::RunAs>& ordinary_user) {
  auto looked_up = LookUp(std::move(config), answers, ordinary_user);
  if (!looked_up) return looked_up;
  config = std::move(*looked_up);
  if (const Status status = CompileAllFilters(config); !status) {
    return std::unexpected(Problems{status.error().message()});
  }
  return config;
}

std::vector<std::string> ReadPaths(const Options& options) {
  std::vector<std::string> paths = options.plugin_directories;
  paths.push_back(options.profiles_directory);
  paths.push_back(CoreManifestPath(options));
  paths.push_back(options.etc_directory);
  if (NamedProfile(options)) return paths;
  const std::vector<std::string> policy = PolicyReadPaths(options);
  paths.insert(paths.end(), policy.begin(), policy.end());
  return paths;
}

}  // namespace reeve::compile
