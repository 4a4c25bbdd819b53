#include <algorithm>
#include <charconv>

#include "policy/parse_sections.h"

namespace reeve::policy {
namespace {

void AppendJsonString(const std::string& text, std::string& json) {
  constexpr char kHex[] = "0123456789abcdef";
  json += '"';
  for (char c : text) {
    if (c == '"' || c == '\\') {
      json += '\\';
      json += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      json += "\\u00";
      json += kHex[static_cast<unsigned char>(c) >> 4];
      json += kHex[c & 0xf];
    } else {
      json += c;
    }
  }
  json += '"';
}

bool IsInteger(const std::string& text) {
  int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  return parsed.ec == std::errc() && parsed.ptr == end && std::to_string(value) == text;
}

// A plugin's settings have no schema here: what is quoted is a string, plain true, false and decimal integers are what
// they look like, everything else is a string. The depth is the YAML reader's.
void AppendJson(const YamlNode& node, std::string& json) {
  const char* separator = "";
  switch (node.kind) {
    case YamlNode::Kind::kNull:
      json += "null";
      return;
    case YamlNode::Kind::kScalar:
      if (!node.is_quoted && (node.text == "true" || node.text == "false" || IsInteger(node.text))) {
        json += node.text;
      } else {
        AppendJsonString(node.text, json);
      }
      return;
    case YamlNode::Kind::kList:
      json += '[';
      for (const YamlNode& item : node.items) {
        json += std::exchange(separator, ", ");
        AppendJson(item, json);
      }
      json += ']';
      return;
    case YamlNode::Kind::kMap:
      json += '{';
      for (const auto& [key, value] : node.entries) {
        json += std::exchange(separator, ", ");
        AppendJsonString(key.text, json);
        json += ": ";
        AppendJson(value, json);
      }
      json += '}';
      return;
  }
}

const std::vector<std::string> kPathWords = {"read", "read-execute", "read-directory", "read-write"};

void ReadPaths(SchemaReader& reader, const YamlNode& node, PluginRules& rules) {
  if (!reader.CheckList(node, "paths")) return;
  for (const YamlNode& item : node.items) {
    if (!reader.CheckMap(item, "an entry of paths", {kPathWords, {}})) continue;
    for (const auto& [key, value] : item.entries) {
      if (value.kind == YamlNode::Kind::kNull) continue;
      if (const auto path = reader.Path(value, key.text)) rules.paths.emplace_back(key.text, *path);
    }
  }
}

void ReadPromises(SchemaReader& reader, const YamlNode& node, PluginRules& rules) {
  if (!reader.CheckList(node, "promises")) return;
  static const std::vector<std::string> words = {"stdio",  "threads", "rpath",    "netlink-route",
                                                 "accept", "freeze",  "set-clock"};
  static const std::vector<std::string> later = {"wpath",     "cpath",    "fattr",       "flock",        "tmp",
                                                 "proc-read", "sys-read", "inet-client", "unix-connect", "vsock",
                                                 "exec",      "bus",      "broker",      "time-read"};
  for (const YamlNode& item : node.items) {
    if (reader.Word(item, "a promise", words, later)) rules.promises.push_back(item.text);
  }
}

void ReadNamespaces(SchemaReader& reader, const YamlNode& node, PluginRules& rules) {
  if (!reader.CheckList(node, "namespaces")) return;
  for (const YamlNode& item : node.items) {
    if (reader.Word(item, "namespaces", {"host-net", "host-uts", "host-mounts"})) rules.namespaces.push_back(item.text);
  }
}

void ReadGrants(SchemaReader& reader, const YamlNode& node, PluginRules& rules) {
  const MapSchema schema = {
      {"promises", "paths", "memory", "tasks", "open-files", "file-size", "capabilities", "inherit", "namespaces"},
      {"landlock", "network", "restart", "syscalls"}};
  if (!reader.CheckMap(node, "sandbox", schema)) return;
  const auto find = [&](const char* key) { return SchemaReader::Find(node, key); };
  const auto number = [&](const YamlNode& value, const char* what) -> std::optional<uint32_t> {
    const auto read = reader.Integer(value, what, 1, 1 << 20);
    return read ? std::optional(static_cast<uint32_t>(*read)) : std::nullopt;
  };
  if (const YamlNode* promises = find("promises")) ReadPromises(reader, *promises, rules);
  if (const YamlNode* paths = find("paths")) ReadPaths(reader, *paths, rules);
  if (const YamlNode* memory = find("memory")) rules.memory_bytes = reader.Size(*memory, "memory");
  if (const YamlNode* tasks = find("tasks")) rules.tasks = number(*tasks, "tasks");
  if (const YamlNode* files = find("open-files")) rules.open_files = number(*files, "open-files");
  if (const YamlNode* size = find("file-size")) {
    rules.file_bytes = size->text == "unlimited" ? UINT64_MAX : reader.Size(*size, "file-size");
  }
  if (const YamlNode* list = find("capabilities")) rules.capabilities = reader.Texts(*list, "capabilities");
  if (const YamlNode* list = find("inherit")) rules.inherit = reader.Texts(*list, "inherit");
  if (const YamlNode* list = find("namespaces")) ReadNamespaces(reader, *list, rules);
}

void ReadPlugin(SchemaReader& reader, const YamlNode& key, const YamlNode& node, TextOf text_of, PluginRules& rules) {
  const MapSchema schema = {{"enable", "sandbox", "programs", "directories", "settings", "idle-exit", "reason"}, {}};
  if (!reader.CheckMap(node, "plugin '" + key.text + "'", schema)) return;
  const auto find = [&](const char* name) { return SchemaReader::Find(node, name); };
  if (const YamlNode* enable = find("enable")) {
    rules.is_enabled = reader.Bool(*enable, "enable").value_or(false);
    if (!rules.is_enabled) rules.origin = OriginOf(reader, *enable);
  }
  if (const YamlNode* sandbox = find("sandbox")) {
    ReadGrants(reader, *sandbox, rules);
    const YamlNode* capabilities = SchemaReader::Find(*sandbox, "capabilities");
    if (capabilities != nullptr && find("reason") == nullptr) reader.ErrorOfWhole(key, "capabilities need a 'reason'");
  }
  if (const YamlNode* programs = find("programs")) ReadProgramsOfPlugin(reader, *programs, rules.programs);
  if (const YamlNode* list = find("directories")) ReadDirectoriesOfPlugin(reader, *list, text_of, rules.directories);
  if (const YamlNode* settings = find("settings"); settings != nullptr && reader.CheckNamedMap(*settings, "settings")) {
    rules.settings_json.clear();
    AppendJson(*settings, rules.settings_json);
  }
  if (const YamlNode* idle = find("idle-exit")) {
    rules.idle_exit_ms = idle->text == "never" ? 0 : reader.Duration(*idle, "idle-exit");
  }
  if (const YamlNode* reason = find("reason")) (void)reader.Text(*reason, "reason");
}

}  // namespace

void ReadPlugins(SchemaReader& reader, const YamlNode& node, TextOf text_of, Policy& policy) {
  if (!reader.CheckNamedMap(node, "plugins")) return;
  for (const auto& [key, value] : node.entries) {
    if (value.kind == YamlNode::Kind::kNull) continue;
    auto found = std::ranges::find(policy.plugins, key.text, &PluginRules::name);
    if (found == policy.plugins.end()) {
      found = policy.plugins.insert(policy.plugins.end(), PluginRules());
      found->name = key.text;
    }
    found->origin = OriginOf(reader, key);
    found->is_of_profile = key.file == 0;
    ReadPlugin(reader, key, value, text_of, *found);
  }
}

}  // namespace reeve::policy
