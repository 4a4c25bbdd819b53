#include "agent/config/plugin_grants.h"

#include <algorithm>

#include "base/json_parser.h"
#include "base/json_writer.h"
#include "policy/diagnostic.h"

namespace reeve::config {
namespace {

using policy::PluginRules;
using policy::ProgramRule;
using ProgramWish = SandboxRequest::ProgramWish;
using Problems = std::vector<std::string>;

const policy::Origin kCommandLine = {"the command line", 1};
// As of a rule that says nothing: databases may take their time to flush, and nothing hangs for ever.
constexpr uint32_t kHookTimeoutMs = 10 * 60 * 1000;

const std::string& NameOf(const ProgramRule& rule) {
  return rule.name;
}
const std::string& NameOf(const policy::FileDirectory& directory) {
  return directory.id;
}

ProgramRule HookRule(const std::string& path, policy::BaseProfile profile) {
  const bool is_open = profile == policy::BaseProfile::kOpen;
  policy::Matcher argument;
  argument.kind = policy::Matcher::Kind::kOneOf;
  argument.texts = {"freeze", "thaw"};
  ProgramRule rule;
  rule.name = kFsfreezeHook;
  rule.origin = kCommandLine;
  rule.run = path;
  rule.args = {{argument}};
  rule.as.name = "root";
  rule.confine = is_open ? policy::Confinement::kUnconfined : policy::Confinement::kHook;
  rule.timeout_ms = kHookTimeoutMs;
  rule.inherits_environment = is_open;
  rule.reason = "fsfreeze-hook of the command line or qemu-ga.conf";
  return rule;
}

// `settings` is an object, or empty.
void SetSetting(const char* key, const std::string& value, std::string& settings) {
  Result<json::Value> parsed = json::Parse(settings);
  json::Object* const known = parsed ? parsed->As<json::Object>() : nullptr;
  json::Object object = known != nullptr ? std::move(*known) : json::Object();
  std::erase_if(object, [&](const json::Member& member) { return member.key == key; });
  object.push_back({key, json::Value(value)});
  settings = json::Write(json::Value(std::move(object)));
}

PluginRules& RulesFor(const std::string& plugin, policy::Policy& policy) {
  const auto found = std::ranges::find(policy.plugins, plugin, &PluginRules::name);
  if (found != policy.plugins.end()) return *found;
  PluginRules rules;
  rules.name = plugin;
  rules.origin = kCommandLine;
  rules.is_of_profile = true;  // nobody misses it where the plugin is not installed
  return policy.plugins.emplace_back(std::move(rules));
}

// What one plugin asks for, of programs or of directories.
struct Wishes {
  const Manifest& manifest;
  const char* kind;  // "program"
  std::vector<std::string> names;
  bool Has(const std::string& name) const {
    return std::ranges::find(names, name) != names.end() || std::ranges::find(names, kWhateverIsListed) != names.end();
  }
};

template <typename Rule>
void Keep(const Wishes& wishes, std::vector<Rule>& rules, Problems& problems, Problems& warnings) {
  for (const std::string& name : wishes.names) {
    const auto is_it = [&](const Rule& rule) { return NameOf(rule) == name; };
    // The hook is there when somebody has named one.
    if (name == kWhateverIsListed || name == kFsfreezeHook || std::ranges::any_of(rules, is_it)) continue;
    warnings.push_back("plugin " + wishes.manifest.name + " asks for " + wishes.kind + " " + name +
                       ", which policy does not grant");
  }
  for (const Rule& rule : rules) {
    if (wishes.Has(NameOf(rule)) || rule.is_of_profile) continue;
    problems.push_back(rule.origin.ToString() + ": plugin " + wishes.manifest.name + " asks for no " + wishes.kind +
                       " '" + NameOf(rule) + "'" + policy::DidYouMean(NameOf(rule), wishes.names));
  }
  std::erase_if(rules, [&](const Rule& rule) { return !wishes.Has(NameOf(rule)); });
}

bool IsStanding(const std::vector<ProgramWish>& wishes, const ProgramRule& rule) {
  return std::ranges::any_of(wishes, [&](const ProgramWish& wish) {
    return wish.is_standing && (wish.name == rule.name || wish.name == kWhateverIsListed);
  });
}

}  // namespace

void AddFsfreezeHook(const std::string& path, policy::Policy& policy) {
  if (path.empty()) return;
  PluginRules& rules = RulesFor(kFsfreezePlugin, policy);
  auto rule = std::ranges::find(rules.programs, kFsfreezeHook, &ProgramRule::name);
  if (rule == rules.programs.end()) rule = rules.programs.insert(rules.programs.end(), HookRule(path, policy.profile));
  SetSetting(kFsfreezeHook, rule->run, rules.settings_json);
}

void AddOsRelease(const std::string& path, std::vector<ManifestFile>& manifests, policy::Policy& policy) {
  if (path.empty()) return;
  for (ManifestFile& file : manifests) {
    if (file.manifest.name != kInventoryPlugin) continue;
    file.manifest.sandbox.paths.push_back({path, policy::PathAccess::kRead});
    PluginRules& rules = RulesFor(kInventoryPlugin, policy);
    rules.paths.emplace_back("read", path);
    SetSetting(kOsRelease, path, rules.settings_json);
  }
}

void KeepRequested(const std::vector<ManifestFile>& manifests, policy::Policy& policy, Problems& problems,
                   Problems& warnings) {
  for (const ManifestFile& file : manifests) {
    if (!file.manifest.sandbox.programs.empty() || !file.manifest.sandbox.directories.empty())
      RulesFor(file.manifest.name, policy);
  }
  for (PluginRules& rules : policy.plugins) {
    const auto file =
        std::ranges::find_if(manifests, [&](const ManifestFile& one) { return one.manifest.name == rules.name; });
    if (file == manifests.end()) {
      // Nobody is there to ask; whether that is a mistake is said of the plugin.
      rules.programs.clear();
      rules.directories.clear();
      continue;
    }
    const SandboxRequest& request = file->manifest.sandbox;
    Wishes programs{file->manifest, "program", {}};
    for (const ProgramWish& wish : request.programs) programs.names.push_back(wish.name);
    Keep(programs, rules.programs, problems, warnings);
    Keep(Wishes{file->manifest, "directory", request.directories}, rules.directories, problems, warnings);
    for (ProgramRule& rule : rules.programs) rule.is_standing = IsStanding(request.programs, rule);
  }
}

}  // namespace reeve::config
