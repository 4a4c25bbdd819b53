#include "policy/parse.h"

#include <algorithm>
#include <tuple>

#include "policy/merge.h"
#include "policy/parse_sections.h"
#include "policy/yaml_reader.h"

namespace reeve::policy {
namespace {

constexpr int64_t kSchema = 1;
// The last level of Landlock that anything here knows of; a larger number is a slip of the pen.
constexpr int64_t kMaxLandlock = 20;

const std::vector<std::string> kNeverDeniable = {"guest-sync", "guest-sync-delimited", "guest-ping",
                                                 "guest-fsfreeze-thaw"};
// What a rule under exec or files opens by itself, in the broadest section, so that any deny beats it.
const std::vector<std::string> kProgramCommands = {"guest-exec", "guest-exec-status", "exec-run", "exec-kill"};
const std::vector<std::string> kFileCommands = {"guest-file-open",  "guest-file-close", "guest-file-read",
                                                "guest-file-write", "guest-file-seek",  "guest-file-flush"};

bool IsNamePattern(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.' || c == '*';
  });
}

std::vector<NamePattern> ReadPatterns(SchemaReader& reader, const YamlNode& node, const std::string& what) {
  std::vector<NamePattern> patterns;
  if (!reader.CheckList(node, what)) return patterns;
  for (const YamlNode& item : node.items) {
    const auto text = reader.Text(item, "an entry of " + what);
    if (!text) continue;
    if (!IsNamePattern(*text)) {
      reader.Error(item, "'" + *text + "' is no command's name or pattern with '*'");
    } else {
      patterns.push_back({*text, OriginOf(reader, item)});
    }
  }
  return patterns;
}

void RefuseNeverDeniable(SchemaReader& reader, const YamlNode& deny) {
  for (const YamlNode& item : deny.items) {
    if (std::ranges::find(kNeverDeniable, item.text) != kNeverDeniable.end()) {
      reader.Error(item, "'" + item.text + "' can never be denied");
    }
  }
}

CommandRules ReadCommands(SchemaReader& reader, const YamlNode& node) {
  CommandRules rules;
  if (!reader.CheckMap(node, "commands", {{"allow", "deny"}, {}})) return rules;
  if (const YamlNode* allow = SchemaReader::Find(node, "allow")) {
    rules.allow = ReadPatterns(reader, *allow, "commands.allow");
  }
  if (const YamlNode* deny = SchemaReader::Find(node, "deny")) {
    rules.deny = ReadPatterns(reader, *deny, "commands.deny");
    RefuseNeverDeniable(reader, *deny);
  }
  return rules;
}

void ReadChannelMatch(SchemaReader& reader, const YamlNode& node, ChannelRules& rules) {
  if (!reader.CheckMap(node, "match", {{"vsock-cid", "unix-uid"}, {}})) return;
  const auto number = [&](const char* key) -> std::optional<uint32_t> {
    const YamlNode* value = SchemaReader::Find(node, key);
    const auto read = value == nullptr ? std::nullopt : reader.Integer(*value, key, 0, UINT32_MAX);
    return read ? std::optional(static_cast<uint32_t>(*read)) : std::nullopt;
  };
  rules.match_vsock_cid = number("vsock-cid");
  rules.match_unix_uid = number("unix-uid");
  if (rules.match_vsock_cid && rules.match_unix_uid) reader.Error(node, "match takes vsock-cid or unix-uid, not both");
}

void ReadChannels(SchemaReader& reader, const YamlNode& node, Policy& policy) {
  if (!reader.CheckNamedMap(node, "channels")) return;
  for (const auto& [key, value] : node.entries) {
    if (value.kind == YamlNode::Kind::kNull ||
        !reader.CheckMap(value, "channel '" + key.text + "'", {{"match", "commands"}, {}})) {
      continue;
    }
    ChannelRules rules;
    rules.name = key.text;
    rules.origin = OriginOf(reader, key);
    if (const YamlNode* match = SchemaReader::Find(value, "match")) ReadChannelMatch(reader, *match, rules);
    if (const YamlNode* commands = SchemaReader::Find(value, "commands")) {
      rules.commands = ReadCommands(reader, *commands);
    }
    policy.channels.push_back(std::move(rules));
  }
}

void ReadSinks(SchemaReader& reader, const YamlNode& node, AuditRules& audit) {
  if (!reader.CheckList(node, "audit.sink")) return;
  audit.sinks.clear();
  for (const YamlNode& item : node.items) {
    constexpr std::string_view kFile = "file:/";
    const bool is_file = item.kind == YamlNode::Kind::kScalar && item.text.starts_with(kFile) &&
                         item.text.find("..") == std::string::npos;
    if (is_file || reader.Word(item, "audit.sink", {"journal", "syslog", "stderr", "file:/PATH"})) {
      audit.sinks.push_back(item.text);
    }
  }
}

void ReadAudit(SchemaReader& reader, const YamlNode& node, Policy& policy) {
  if (!reader.CheckMap(node, "audit", {{"sink", "decisions"}, {"redact", "chain"}})) return;
  if (const YamlNode* sink = SchemaReader::Find(node, "sink")) ReadSinks(reader, *sink, policy.audit);
  if (const YamlNode* decisions = SchemaReader::Find(node, "decisions")) {
    const auto word = reader.Word(*decisions, "audit.decisions", {"none", "denied", "denied+privileged", "all"});
    if (word) policy.audit.decisions = static_cast<AuditRules::Decisions>(*word);
  }
}

void ReadLimits(SchemaReader& reader, const YamlNode& node, Policy& policy) {
  if (!reader.CheckMap(node, "limits", {{"deadline", "deadlines"}, {"request-bytes", "in-flight", "rate"}})) return;
  if (const YamlNode* deadline = SchemaReader::Find(node, "deadline")) {
    policy.max_deadline_ms = reader.Duration(*deadline, "limits.deadline").value_or(0);
  }
  const YamlNode* deadlines = SchemaReader::Find(node, "deadlines");
  if (deadlines == nullptr || !reader.CheckNamedMap(*deadlines, "limits.deadlines")) return;
  for (const auto& [key, value] : deadlines->entries) {
    if (value.kind == YamlNode::Kind::kNull) continue;
    const auto duration = reader.Duration(value, "deadline of " + key.text);
    if (std::ranges::find(kNeverDeniable, key.text) != kNeverDeniable.end()) {
      reader.Error(key, "'" + key.text + "' has no deadline");
    } else if (duration) {
      policy.command_deadline_ms[key.text] = *duration;
    }
  }
}

void ReadSandboxDefaults(SchemaReader& reader, const YamlNode& node, Policy& policy) {
  const MapSchema schema = {{"landlock", "restart"}, {"network", "memory", "tasks", "open-files"}};
  if (!reader.CheckMap(node, "sandbox-defaults", schema)) return;
  if (const YamlNode* restart = SchemaReader::Find(node, "restart")) ReadRestart(reader, *restart, policy);
  const YamlNode* landlock = SchemaReader::Find(node, "landlock");
  if (landlock == nullptr || !reader.CheckMap(*landlock, "landlock", {{"minimum"}, {"want"}})) return;
  if (const YamlNode* minimum = SchemaReader::Find(*landlock, "minimum")) {
    policy.landlock_minimum =
        static_cast<uint32_t>(reader.Integer(*minimum, "landlock.minimum", 0, kMaxLandlock).value_or(0));
  }
}

const MapSchema& TopSchema() {
  static const MapSchema schema = {{"schema", "name", "profile", "mode", "commands", "channels", "audit", "limits",
                                    "sandbox-defaults", "plugins", "files", "exec", "deny"},
                                   {"tests", "include", "require-signature"}};
  return schema;
}

void ReadSections(SchemaReader& reader, const YamlNode& root, TextOf text_of, Policy& policy) {
  const auto section = [&](const char* key, auto read) {
    if (const YamlNode* node = SchemaReader::Find(root, key)) read(*node);
  };
  section("schema", [&](const YamlNode& node) { reader.Integer(node, "schema", kSchema, kSchema); });
  section("name", [&](const YamlNode& node) { policy.name = reader.Text(node, "name").value_or(""); });
  section("mode", [&](const YamlNode& node) { reader.Word(node, "mode", {"enforce"}, {"complain", "dry-run"}); });
  section("commands", [&](const YamlNode& node) { policy.commands = ReadCommands(reader, node); });
  section("channels", [&](const YamlNode& node) { ReadChannels(reader, node, policy); });
  section("audit", [&](const YamlNode& node) { ReadAudit(reader, node, policy); });
  section("limits", [&](const YamlNode& node) { ReadLimits(reader, node, policy); });
  section("sandbox-defaults", [&](const YamlNode& node) { ReadSandboxDefaults(reader, node, policy); });
  section("plugins", [&](const YamlNode& node) { ReadPlugins(reader, node, text_of, policy); });
  section("files", [&](const YamlNode& node) { ReadFiles(reader, node, text_of, policy); });
  section("exec", [&](const YamlNode& node) { ReadExec(reader, node, policy); });
  section("deny", [&](const YamlNode& node) { ReadDeny(reader, node, policy); });
}

// A rule that grants programs or files needs no line under commands as well.
void OpenGrantedCommands(Policy& policy) {
  const auto open = [&](const std::vector<std::string>& names, const Origin& origin) {
    for (const std::string& name : names) policy.profile_commands.allow.push_back({name, origin});
  };
  if (!policy.programs.empty()) open(kProgramCommands, policy.programs[0].origin);
  if (!policy.directories.empty()) open(kFileCommands, policy.directories[0].origin);
}

// `node` is null where nobody says it: `standard`, and the last text is where one would.
BaseProfile ProfileOf(SchemaReader& reader, const YamlNode* node) {
  if (node == nullptr) return BaseProfile::kStandard;
  const auto word = reader.Word(*node, "profile", ProfileNames());
  return word ? static_cast<BaseProfile>(*word) : BaseProfile::kStandard;
}

// `number` is the text's in `reader`; keys with + and - stay as they are. Nothing when it cannot be worked with; what
// else is wrong may be in `diagnostics` all the same.
std::optional<YamlNode> ReadRoot(SchemaReader& reader, const PolicyText& text, uint32_t number, const MapSchema& schema,
                                 Diagnostics& diagnostics) {
  auto root = ReadYaml(text.file, text.text, number);
  if (!root) {
    diagnostics.push_back(root.error());
    return std::nullopt;
  }
  if (!reader.CheckMap(*root, "a policy", schema)) return std::nullopt;
  reader.Require(*root, "schema", "a policy");
  const size_t before = diagnostics.size();
  CheckForms(reader, *root);
  return diagnostics.size() == before ? std::optional(std::move(*root)) : std::nullopt;
}

// What is wrong in one of several layers, whatever the others say.
void CheckLayer(SchemaReader& reader, const YamlNode& root) {
  ProfileOf(reader, SchemaReader::Find(root, "profile"));
  Policy alone;
  ReadSections(reader, WithoutForms(root), TextOf::kAdministrator, alone);
}

std::vector<std::string> FileNames(const std::vector<PolicyText>& layers) {
  std::vector<std::string> files = {""};  // the profile's, once it is known which
  for (const PolicyText& layer : layers) files.push_back(layer.file);
  return files;
}

// Each layer's tree, node numbers from 1. What they come to together is not looked at.
std::vector<YamlNode> ReadRoots(const std::vector<PolicyText>& layers, Diagnostics& diagnostics) {
  SchemaReader reader(FileNames(layers), SchemaReader::Scope::kLayer, diagnostics);
  std::vector<YamlNode> roots;
  for (const PolicyText& layer : layers) {
    const auto number = static_cast<uint32_t>(&layer - layers.data() + 1);
    auto root = ReadRoot(reader, layer, number, TopSchema(), diagnostics);
    if (!root) continue;
    // Of one by itself everything is told at once, later.
    if (layers.size() > 1) CheckLayer(reader, *root);
    roots.push_back(std::move(*root));
  }
  return roots;
}

// The highest layer's word for the profile; null when none has one.
const YamlNode* ProfileNode(const std::vector<YamlNode>& roots) {
  for (auto root = roots.rbegin(); root != roots.rend(); ++root) {
    if (const YamlNode* node = SchemaReader::Find(*root, "profile")) return node;
  }
  return nullptr;
}

// What a profile says of plugins lies below every layer, so that those can add to it.
YamlNode PluginsOfProfile(const PolicyText& profile) {
  auto root = ReadYaml(profile.file, profile.text, 0);
  if (!root) return {};
  std::erase_if(root->entries, [](const YamlNode::Entry& entry) { return entry.key.text != "plugins"; });
  return std::move(*root);
}

Diagnostics InOrder(Diagnostics diagnostics, const std::vector<std::string>& files) {
  std::ranges::sort(diagnostics, {}, [&](const Diagnostic& d) {
    return std::tuple(std::ranges::find(files, d.file) - files.begin(), d.line, d.column, d.message);
  });
  return diagnostics;
}

}  // namespace

const std::vector<std::string>& ProfileNames() {
  static const std::vector<std::string> names = {"minimal", "standard", "open"};
  return names;
}

std::expected<Policy, Diagnostics> ParseProfile(BaseProfile profile, const ProfileTexts& profiles) {
  const PolicyText& text = profiles[static_cast<size_t>(profile)];
  Diagnostics diagnostics;
  SchemaReader reader(text.file, diagnostics);
  MapSchema schema = TopSchema();
  std::erase(schema.known, "profile");
  const auto root = ReadRoot(reader, text, 0, schema, diagnostics);
  if (!root) return std::unexpected(diagnostics);
  Policy policy;
  policy.profile = profile;
  policy.default_origin = {text.file, 1};
  ReadSections(reader, *root, TextOf::kProfile, policy);
  if (!diagnostics.empty()) return std::unexpected(diagnostics);
  policy.profile_commands = std::exchange(policy.commands, {});
  OpenGrantedCommands(policy);
  return policy;
}

std::expected<Policy, Diagnostics> ParseLayers(const std::vector<PolicyText>& layers, const ProfileTexts& profiles,
                                               Diagnostics& warnings) {
  if (layers.empty()) return ParseProfile(BaseProfile::kStandard, profiles);
  Diagnostics diagnostics;
  std::vector<std::string> files = FileNames(layers);
  std::vector<YamlNode> roots = ReadRoots(layers, diagnostics);
  const bool is_layer_bad = layers.size() > 1 && !diagnostics.empty();
  if (roots.size() < layers.size() || is_layer_bad) return std::unexpected(InOrder(std::move(diagnostics), files));

  SchemaReader reader(files, SchemaReader::Scope::kWhole, diagnostics);
  const YamlNode* profile_node = ProfileNode(roots);
  const BaseProfile profile = ProfileOf(reader, profile_node);
  auto policy = ParseProfile(profile, profiles);
  if (!policy) return std::unexpected(policy.error());
  policy->default_origin = profile_node != nullptr ? OriginOf(reader, *profile_node) : Origin{files.back(), 1};

  const PolicyText& profile_text = profiles[static_cast<size_t>(profile)];
  files[0] = profile_text.file;
  SchemaReader whole(files, SchemaReader::Scope::kWhole, diagnostics);
  roots.insert(roots.begin(), PluginsOfProfile(profile_text));
  policy->plugins.clear();
  ReadSections(whole, Merge(std::move(roots), whole, warnings), TextOf::kAdministrator, *policy);
  if (!diagnostics.empty()) return std::unexpected(InOrder(std::move(diagnostics), files));
  OpenGrantedCommands(*policy);
  return policy;
}

std::expected<Policy, Diagnostics> Parse(const PolicyText& text, const ProfileTexts& profiles) {
  Diagnostics warnings;
  return ParseLayers({text}, profiles, warnings);
}

}  // namespace reeve::policy
