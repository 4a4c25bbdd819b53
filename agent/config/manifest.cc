#include "agent/config/manifest.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "agent/config/manifest_sandbox.h"
#include "agent/config/manifest_types.h"
#include "agent/config/words.h"
#include "policy/schema_reader.h"

namespace reeve::config {
namespace {

using policy::Diagnostics;
using policy::MapSchema;
using policy::SchemaReader;
using policy::YamlNode;

constexpr int64_t kFormat = 1;
constexpr size_t kMaxNameBytes = 32;
constexpr size_t kMaxCommandNameBytes = 128;
constexpr char kOwnIds[] = "org.reeve.";

bool IsLower(char c) {
  return c >= 'a' && c <= 'z';
}
bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}
bool IsUpper(char c) {
  return c >= 'A' && c <= 'Z';
}

bool IsPluginName(std::string_view name) {
  return !name.empty() && name.size() <= kMaxNameBytes && IsLower(name[0]) &&
         std::ranges::all_of(name, [](char c) { return IsLower(c) || IsDigit(c) || c == '-'; });
}

bool IsReverseDomain(std::string_view id) {
  return id.find('.') != std::string_view::npos && id.find("..") == std::string_view::npos && IsLower(id[0]) &&
         id.back() != '.' &&
         std::ranges::all_of(id, [](char c) { return IsLower(c) || IsDigit(c) || c == '-' || c == '.'; });
}

bool IsVersion(std::string_view version) {
  return !version.empty() && IsDigit(version[0]) && std::ranges::all_of(version, [](char c) {
    return IsDigit(c) || IsLower(c) || c == '.' || c == '-' || c == '+';
  });
}

// "exec" of ".../exec.plugin.yaml", or "".
std::string NameOfFile(const std::string& file) {
  const std::string base = file.substr(file.rfind('/') + 1);
  const std::string suffix = kManifestSuffix;
  return base.ends_with(suffix) ? base.substr(0, base.size() - suffix.size()) : "";
}

// "1.0": the major and the oldest minor that will do.
void ReadAbi(SchemaReader& reader, const YamlNode& node, Manifest& manifest) {
  const char* end = node.text.data() + node.text.size();
  const auto major = std::from_chars(node.text.data(), end, manifest.abi_major);
  const bool has_dot = major.ec == std::errc() && major.ptr != end && *major.ptr == '.';
  const auto minor = std::from_chars(has_dot ? major.ptr + 1 : end, end, manifest.abi_min_minor);
  if (node.kind == YamlNode::Kind::kScalar && has_dot && minor.ec == std::errc() && minor.ptr == end) return;
  reader.Error(node, "abi must be MAJOR.MINOR, as 1.0");
}

// Who may use which names (MANIFEST.md).
std::string ProblemOfCommandName(const std::string& name, const Manifest& manifest) {
  const bool is_spelled = !name.empty() && name.size() <= kMaxCommandNameBytes && std::ranges::all_of(name, [](char c) {
    return IsLower(c) || IsUpper(c) || IsDigit(c) || c == '-' || c == '_' || c == '.';
  });
  if (!is_spelled) return "'" + name + "' is no name of a command";
  const bool is_vendors =
      name.starts_with("__") && name.find('.') != std::string::npos && name.find('_', 2) != std::string::npos;
  if (is_vendors) return "";
  if (!manifest.id.starts_with(kOwnIds)) {
    return "command '" + name + "' of a vendor must begin with its domain, as __com.example_" + name;
  }
  if (name.starts_with("guest-") || name.starts_with(manifest.name + "-")) return "";
  return "command '" + name + "' must begin with guest- or " + manifest.name + "-";
}

void ReadFlags(SchemaReader& reader, const YamlNode& node, const Manifest& manifest, CommandSpec& command) {
  if (!reader.CheckList(node, "flags")) return;
  for (const YamlNode& item : node.items) {
    const auto word = reader.Word(item, "a flag", FlagWords());
    if (!word) continue;
    const uint32_t flag = 1u << *word;
    if (flag == kNeverDeniable && !manifest.id.starts_with(kOwnIds)) {
      reader.Error(item, "never-deniable is for Reeve's own commands only");
    }
    if ((command.flags & flag) != 0) reader.Error(item, "flag '" + item.text + "' stands twice");
    command.flags |= flag;
  }
}

void ReadDeadline(SchemaReader& reader, const YamlNode& node, CommandSpec& command) {
  command.deadline_ms = node.text == "none" ? 0 : reader.Duration(node, "deadline").value_or(0);
}

// A member of that name and kind, which the check reads, must be there.
bool HasMember(const std::vector<TypeSpec>& types, const CommandSpec& command, std::string_view name,
               TypeSpec::Kind kind) {
  return std::ranges::any_of(types[command.arguments].members, [&](const TypeSpec::MemberSpec& member) {
    return member.name == name && types[member.type].kind == kind;
  });
}

CommandSpec ReadCommand(SchemaReader& reader, const YamlNode& key, const YamlNode& node, const Manifest& manifest,
                        TypeTable& types) {
  CommandSpec command;
  command.name = key.text;
  const std::string what = "command '" + key.text + "'";
  const std::string problem = ProblemOfCommandName(key.text, manifest);
  if (!problem.empty()) reader.Error(key, problem);
  if (!reader.CheckMap(node, what, {CommandKeys(), {"success-response"}})) return command;
  static const YamlNode kNoMembers = [] {
    YamlNode node_of_none;
    node_of_none.kind = YamlNode::Kind::kMap;
    return node_of_none;
  }();
  const YamlNode* arguments = SchemaReader::Find(node, "arguments");
  command.arguments = types.ReadObject(arguments != nullptr ? *arguments : kNoMembers, "", "arguments of " + what);
  if (const YamlNode* deadline = reader.Require(node, "deadline", what)) ReadDeadline(reader, *deadline, command);
  if (const YamlNode* flags = SchemaReader::Find(node, "flags")) ReadFlags(reader, *flags, manifest, command);
  if (command.Has(kProgramEndsWithRequest) && !command.Has(kAsksWarden))
    reader.Error(key, "program-ends-with-request needs the flag asks-warden");
  if (const YamlNode* asks = SchemaReader::Find(node, "asks")) {
    command.asks = static_cast<uint32_t>(reader.Integer(*asks, "asks", 1, kMaxAsks).value_or(1));
    if (!command.Has(kAsksWarden)) reader.Error(*asks, "asks needs the flag asks-warden");
  }
  if (const YamlNode* check = SchemaReader::Find(node, "check")) {
    const auto word = reader.Word(*check, "check", {"program", "file"});
    if (word) command.check = *word == 0 ? ArgumentCheck::kProgram : ArgumentCheck::kFile;
    if (!command.Has(kAsksWarden)) reader.Error(*check, "check needs the flag asks-warden");
  }
  if (const YamlNode* object = SchemaReader::Find(node, "object")) {
    command.object = reader.Text(*object, "object").value_or("");
    if (command.check != ArgumentCheck::kNone) reader.Error(*object, "object must not stand beside check");
  }
  return command;
}

void ReadCommands(SchemaReader& reader, const YamlNode& root, Manifest& manifest) {
  TypeTable types(reader);
  if (const YamlNode* named = SchemaReader::Find(root, "types")) types.ReadNamed(*named);
  const YamlNode* commands = reader.Require(root, "commands", "a manifest");
  if (commands == nullptr || !reader.CheckNamedMap(*commands, "commands")) return;
  for (const auto& [key, value] : commands->entries) {
    if (value.kind == YamlNode::Kind::kNull) continue;
    manifest.commands.push_back(ReadCommand(reader, key, value, manifest, types));
  }
  manifest.types = types.Take();
  for (const CommandSpec& command : manifest.commands) {
    if (command.check != ArgumentCheck::kNone && !HasMember(manifest.types, command, "path", TypeSpec::Kind::kString)) {
      reader.Error(*commands, "command '" + command.name + "' has a check but no argument path: str");
    }
    if (!command.object.empty() && !HasMember(manifest.types, command, command.object, TypeSpec::Kind::kString)) {
      reader.Error(*commands,
                   "command '" + command.name + "' has an object but no argument " + command.object + ": str");
    }
  }
}

void ReadIdentity(SchemaReader& reader, const YamlNode& root, Manifest& manifest) {
  const auto text = [&](const char* key, bool (*is_good)(std::string_view), const char* shape) -> std::string {
    const YamlNode* node = reader.Require(root, key, "a manifest");
    const auto value = node == nullptr ? std::nullopt : reader.Text(*node, key);
    if (!value) return "";
    if (value->empty() || !is_good(*value)) reader.Error(*node, std::string(key) + " must be " + shape);
    return *value;
  };
  if (const YamlNode* format = reader.Require(root, "manifest", "a manifest")) {
    reader.Integer(*format, "manifest", kFormat, kFormat);
  }
  manifest.id = text("id", IsReverseDomain, "a domain in reverse, as com.example.clock");
  manifest.version = text("version", IsVersion, "numbers with dots, as 0.3.1");
  if (const YamlNode* vendor = SchemaReader::Find(root, "vendor")) {
    manifest.vendor = reader.Text(*vendor, "vendor").value_or("");
  }
  if (const YamlNode* licence = SchemaReader::Find(root, "licence")) {
    manifest.licence = reader.Text(*licence, "licence").value_or("");
  }
  if (const YamlNode* abi = reader.Require(root, "abi", "a manifest")) ReadAbi(reader, *abi, manifest);
  if (const YamlNode* block = SchemaReader::Find(root, "handle-block")) {
    manifest.needs_handle_block = reader.Bool(*block, "handle-block").value_or(false);
  }
  if (const YamlNode* idle = SchemaReader::Find(root, "idle-exit")) {
    manifest.idle_exit_ms = idle->text == "never" ? 0 : reader.Duration(*idle, "idle-exit").value_or(0);
  }
}

}  // namespace

std::expected<Manifest, Diagnostics> ParseManifest(const std::string& file, const std::string& text) {
  auto root = policy::ReadYaml(file, text);
  if (!root) return std::unexpected(Diagnostics{root.error()});
  Diagnostics diagnostics;
  SchemaReader reader(file, diagnostics);
  Manifest manifest;
  manifest.name = NameOfFile(file);
  if (!IsPluginName(manifest.name))
    reader.Error(*root, "a manifest's file is NAME.plugin.yaml, NAME of a-z, 0-9 and '-'");
  const MapSchema schema = {ManifestKeys(), {"settings"}};
  if (reader.CheckMap(*root, "a manifest", schema)) {
    ReadIdentity(reader, *root, manifest);
    ReadCommands(reader, *root, manifest);
    const YamlNode* sandbox = SchemaReader::Find(*root, "sandbox");
    if (sandbox != nullptr) manifest.sandbox = ReadSandboxRequest(reader, *sandbox, manifest.id);
  }
  if (!diagnostics.empty()) return std::unexpected(diagnostics);
  return manifest;
}

}  // namespace reeve::config
