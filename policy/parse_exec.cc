#include <algorithm>

#include "policy/glob.h"
#include "policy/matcher.h"
#include "policy/parse.h"
#include "policy/parse_sections.h"

namespace reeve::policy {
namespace {

constexpr uint64_t kMaxStdinBytes = 48 << 20;
// A rule that says nothing: long enough for a package installation, short enough that nothing hangs for ever.
constexpr uint32_t kDefaultTimeoutMs = 10 * 60 * 1000;

// What a sandboxed program sees of the machine; /bin and the like are links to below /usr, or directories of their own.
constexpr std::string_view kSandboxedDirectories[] = {"/usr/", "/bin/", "/sbin/", "/lib/", "/lib64/"};

// Whose rule is read: one of exec.rules serves the host's commands, one of `plugins` that plugin's own.
enum class RuleOf : uint8_t { kHost, kPlugin };

// Programs whose arguments are programs again: whoever may choose those may run anything.
const std::vector<std::string> kRunners = {
    "sh",   "bash",  "dash", "ash",  "zsh", "ksh",  "busybox", "env", "sudo",        "su",      "doas", "xargs", "find",
    "tar",  "awk",   "gawk", "mawk", "sed", "perl", "ruby",    "lua", "python",      "python3", "php",  "node",  "ssh",
    "nice", "nohup", "time", "vim",  "vi",  "less", "man",     "gdb", "systemd-run", "chroot",  "ld.so"};

bool IsRunner(const std::string& path) {
  return std::ranges::find(kRunners, path.substr(path.rfind('/') + 1)) != kRunners.end();
}

bool IsVariableName(std::string_view name) {
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
  return std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

// Variables by which a host could make a program load or run something of its own.
bool IsDangerousVariable(std::string_view name) {
  static const std::vector<std::string> names = {
      "LD_*",    "PYTHON*",    "PERL*",    "RUBY*",          "BASH_*",    "ENV",
      "IFS",     "GCONV_PATH", "PATH",     "SHELL*",         "NODE_*",    "GIO_MODULE*",
      "LOCPATH", "NLSPATH",    "PAGER",    "EDITOR",         "VISUAL",    "TMPDIR",
      "HOME",    "GIT_*",      "MALLOC_*", "GLIBC_TUNABLES", "CLASSPATH", "JAVA_TOOL_OPTIONS"};
  return std::ranges::any_of(names, [&](const std::string& pattern) { return MatchesName(pattern, name); });
}

void CheckVariable(SchemaReader& reader, const YamlNode& node, const std::string& name) {
  if (!IsVariableName(name)) reader.Error(node, "'" + name + "' is no name of an environment variable");
}

void ReadEnvironment(SchemaReader& reader, const YamlNode& node, ProgramRule& rule) {
  if (node.kind == YamlNode::Kind::kScalar) {
    rule.inherits_environment = reader.Word(node, "env", {"inherit"}).has_value();
    return;
  }
  if (!reader.CheckMap(node, "env", {{"keep", "set"}, {}})) return;
  if (const YamlNode* keep = SchemaReader::Find(node, "keep"); keep != nullptr && reader.CheckList(*keep, "env.keep")) {
    for (const YamlNode& item : keep->items) {
      const auto name = reader.Text(item, "an entry of env.keep");
      if (!name) continue;
      CheckVariable(reader, item, *name);
      if (IsDangerousVariable(*name))
        reader.Error(item, "'" + *name + "' may not come from the host; set it in env.set");
      rule.env_keep.push_back(*name);
    }
  }
  if (const YamlNode* set = SchemaReader::Find(node, "set"); set != nullptr && reader.CheckNamedMap(*set, "env.set")) {
    for (const auto& [key, value] : set->entries) {
      CheckVariable(reader, key, key.text);
      if (const auto text = reader.Text(value, "env.set." + key.text)) rule.env_set[key.text] = *text;
    }
  }
}

void ReadStdin(SchemaReader& reader, const YamlNode& node, ProgramRule& rule) {
  if (node.kind == YamlNode::Kind::kScalar) {
    rule.allows_stdin = reader.Bool(node, "stdin").value_or(false);
    return;
  }
  if (!reader.CheckMap(node, "stdin", {{"max"}, {"secret"}})) return;
  const YamlNode* max = reader.Require(node, "max", "stdin");
  if (max == nullptr) return;
  const auto bytes = reader.Size(*max, "max");
  if (bytes && (*bytes == 0 || *bytes > kMaxStdinBytes)) reader.Error(*max, "max of stdin must be from 1 B to 48 MiB");
  rule.allows_stdin = true;
  rule.stdin_max_bytes = static_cast<uint32_t>(std::min(bytes.value_or(0), kMaxStdinBytes));
}

std::vector<Matcher> ReadAlternative(SchemaReader& reader, const YamlNode& node) {
  std::vector<Matcher> matchers;
  if (node.kind != YamlNode::Kind::kList) {
    reader.Error(node, "args must be a list of alternatives, each a list of matchers: [[{literal: a}], ...]");
    return matchers;
  }
  for (const YamlNode& item : node.items) {
    std::optional<Matcher> matcher = ReadMatcher(reader, item);
    if (!matcher) continue;
    if (matcher->kind == Matcher::Kind::kRepeat && &item != &node.items.back()) {
      reader.Error(item, "repeat must stand last in its alternative");
    }
    matchers.push_back(std::move(*matcher));
  }
  return matchers;
}

void ReadArguments(SchemaReader& reader, const YamlNode& node, ProgramRule& rule) {
  if (node.kind == YamlNode::Kind::kScalar) {
    rule.allows_any_args = reader.Word(node, "args", {"any"}).has_value();
    return;
  }
  if (!reader.CheckList(node, "args")) return;
  for (const YamlNode& item : node.items) rule.args.push_back(ReadAlternative(reader, item));
}

bool IsHelperName(const std::string& text) {
  return !text.empty() && text[0] != '-' &&
         std::ranges::all_of(text, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
}

void ReadRun(SchemaReader& reader, const YamlNode& node, RuleOf rule_of, ProgramRule& rule) {
  const auto text = reader.Text(node, "run");
  if (!text) return;
  rule.run = *text;
  if (rule.run == "*" || (rule_of == RuleOf::kPlugin && IsHelperName(rule.run))) return;
  rule.run = reader.Path(node, "run").value_or("");
}

void ReadTimeout(SchemaReader& reader, const YamlNode& node, ProgramRule& rule) {
  rule.timeout_ms = node.text == "none" ? 0 : reader.Duration(node, "timeout").value_or(kDefaultTimeoutMs);
}

bool HasAny(const Matcher& matcher) {
  return matcher.kind == Matcher::Kind::kAny || std::ranges::any_of(matcher.of, HasAny);
}

// What in the rule needs a written reason, or "".
std::string DangerOf(const ProgramRule& rule) {
  if (rule.run == "*") return "run: \"*\"";
  if (rule.confine == Confinement::kUnconfined) return "confine: unconfined";
  if (rule.confine == Confinement::kHook) return "confine: hook";
  if (rule.as.name == "root" && rule.confine == Confinement::kAdmin) return "confine: admin as root";
  if (rule.as.name == "root" && rule.confine == Confinement::kReadonly) return "confine: readonly as root";
  if (rule.allows_any_args) return "args: any";
  if (rule.inherits_environment) return "env: inherit";
  for (const auto& alternative : rule.args) {
    if (std::ranges::any_of(alternative, HasAny)) return "an argument that may be anything";
  }
  if (IsRunner(rule.run) && !rule.args.empty()) return "run: " + rule.run + ", which runs what its arguments say,";
  return "";
}

void ReadRuleKeys(SchemaReader& reader, const YamlNode& node, RuleOf rule_of, ProgramRule& rule) {
  const auto find = [&](const char* key) { return SchemaReader::Find(node, key); };
  if (const YamlNode* run = reader.RequireOfWhole(node, "run", "a rule")) ReadRun(reader, *run, rule_of, rule);
  if (const YamlNode* args = find("args")) ReadArguments(reader, *args, rule);
  if (const YamlNode* as = find("as")) rule.as = ReadUser(reader, *as, "as");
  if (const YamlNode* confine = find("confine")) {
    const auto word = reader.Word(*confine, "confine", ConfinementNames());
    if (word) rule.confine = static_cast<Confinement>(*word);
  }
  if (const YamlNode* timeout = find("timeout")) ReadTimeout(reader, *timeout, rule);
  if (const YamlNode* output = find("output")) {
    rule.output_bytes = reader.Size(*output, "output").value_or(0);
    if (rule.output_bytes > kMaxOutputBytes) reader.Error(*output, "output must be at most 16 MiB");
  }
  if (const YamlNode* input = find("stdin")) ReadStdin(reader, *input, rule);
  if (const YamlNode* env = find("env")) ReadEnvironment(reader, *env, rule);
  if (const YamlNode* state = find("state-directory")) {
    rule.state_directory = reader.Path(*state, "state-directory").value_or("");
    if (rule.state_directory == "/") reader.Error(*state, "state-directory must not be everything");
  }
  if (const YamlNode* reason = find("reason")) rule.reason = reader.Text(*reason, "reason").value_or("");
}

// Where it stands for whoever reads a refusal. A layer that changes only its timeout does not make the rule.
Origin OriginOfRule(const SchemaReader& reader, const YamlNode& key, const YamlNode& node) {
  const YamlNode* args = SchemaReader::Find(node, "args");
  const YamlNode* what = args != nullptr ? args : SchemaReader::Find(node, "run");
  return OriginOf(reader, what != nullptr && what->file != key.file ? *what : key);
}

bool IsSeenInSandbox(const std::string& path) {
  return std::ranges::any_of(kSandboxedDirectories, [&](std::string_view one) { return path.starts_with(one); });
}

// What is wrong with the confinement and the rule's other keys together, or "".
std::string ConfinementMistake(const ProgramRule& rule, bool names_user) {
  if (!rule.state_directory.empty() && rule.confine != Confinement::kService)
    return "state-directory is for confine: service";
  switch (rule.confine) {
    case Confinement::kService:
      return rule.as.name == "root" ? "confine: service needs 'as', a user other than root" : "";
    case Confinement::kReadonly:
      return names_user ? "" : "confine: readonly needs 'as'; root, who may read everything, is written out";
    case Confinement::kSandboxed:
      if (names_user) return "confine: sandboxed gives a user of its own; leave out 'as'";
      if (rule.run.starts_with('/') && !IsSeenInSandbox(rule.run))
        return "confine: sandboxed shows nothing but /usr; " + rule.run + " is not there";
      return "";
    case Confinement::kHook:
      return rule.as.name == "root" ? "" : "confine: hook is for root; leave out 'as'";
    case Confinement::kUnconfined:
    case Confinement::kAdmin:
      return "";
  }
  return "";
}

void ReadRule(SchemaReader& reader, const YamlNode& key, const YamlNode& node, RuleOf rule_of,
              std::vector<ProgramRule>& rules) {
  const size_t errors_before = reader.error_count();
  const MapSchema schema = {
      {"enable", "run", "args", "as", "confine", "timeout", "output", "stdin", "env", "state-directory", "reason"},
      {"rate", "when", "pin"}};
  if (!reader.CheckMap(node, "rule '" + key.text + "'", schema)) return;
  ProgramRule rule;
  rule.name = key.text;
  rule.origin = OriginOfRule(reader, key, node);
  rule.as.name = "root";
  rule.timeout_ms = kDefaultTimeoutMs;
  rule.is_of_profile = key.file == 0;
  ReadRuleKeys(reader, node, rule_of, rule);
  const YamlNode* enable = SchemaReader::Find(node, "enable");
  if (enable != nullptr && !reader.Bool(*enable, "enable").value_or(true)) return;
  const std::string danger = DangerOf(rule);
  if (!danger.empty() && rule.reason.empty()) reader.ErrorOfWhole(key, danger + " needs a 'reason'");
  // Said only of a rule that is right otherwise: one with neither key mostly lacks the whole thought.
  const std::string mistake = ConfinementMistake(rule, SchemaReader::Find(node, "as") != nullptr);
  if (reader.error_count() == errors_before && !mistake.empty()) reader.ErrorOfWhole(key, mistake);
  rules.push_back(std::move(rule));
}

void ReadDeniedProgram(SchemaReader& reader, const YamlNode& node, Policy& policy) {
  if (!reader.CheckMap(node, "an entry of deny.exec", {{"run", "arg-any"}, {}})) return;
  ProgramRule rule;
  if (const YamlNode* run = reader.Require(node, "run", "an entry of deny.exec"))
    ReadRun(reader, *run, RuleOf::kHost, rule);
  ProgramDeny deny;
  deny.run = rule.run;
  deny.origin = OriginOf(reader, node);
  if (const YamlNode* argument = SchemaReader::Find(node, "arg-any")) {
    deny.arg_any = ReadMatcher(reader, *argument);
    if (deny.arg_any && deny.arg_any->kind == Matcher::Kind::kRepeat) {
      reader.Error(*argument, "arg-any is about one argument; repeat has no meaning here");
    }
  }
  policy.program_denies.push_back(std::move(deny));
}

void ReadDeniedFile(SchemaReader& reader, const YamlNode& node, Policy& policy) {
  const auto glob = reader.Text(node, "an entry of deny.files");
  if (!glob) return;
  const Status status = CheckPathPattern(*glob);
  if (!glob->starts_with('/') || !status) {
    reader.Error(node, "an entry of deny.files must be an absolute path or pattern" +
                           (status ? "" : ": " + status.error().message()));
    return;
  }
  policy.file_denies.push_back({*glob, OriginOf(reader, node)});
}

void ReadDeniedPlugin(SchemaReader& reader, const YamlNode& node, Policy& policy) {
  const auto name = reader.Text(node, "an entry of deny.plugins");
  if (!name) return;
  auto found = std::ranges::find(policy.plugins, *name, &PluginRules::name);
  if (found == policy.plugins.end()) {
    found = policy.plugins.insert(policy.plugins.end(), PluginRules());
    found->name = *name;
  }
  found->origin = OriginOf(reader, node);
  found->is_of_profile = false;
  found->is_enabled = false;
}

}  // namespace

const std::vector<std::string>& ConfinementNames() {
  static const std::vector<std::string> names = {"unconfined", "admin", "service", "readonly", "sandboxed", "hook"};
  return names;
}

Origin OriginOf(const SchemaReader& reader, const YamlNode& node) {
  return {reader.FileOf(node), node.line};
}

RunAs ReadUser(SchemaReader& reader, const YamlNode& node, const std::string& what) {
  RunAs as;
  as.name = reader.Text(node, what).value_or("root");
  if (!IsUserName(as.name)) reader.Error(node, what + " must be the name of a user, not '" + as.name + "'");
  return as;
}

void ReadExec(SchemaReader& reader, const YamlNode& node, Policy& policy) {
  if (!reader.CheckMap(node, "exec", {{"rules"}, {}})) return;
  const YamlNode* rules = SchemaReader::Find(node, "rules");
  if (rules == nullptr || !reader.CheckNamedMap(*rules, "exec.rules")) return;
  std::vector<ProgramRule> of_profile = std::exchange(policy.programs, {});
  for (const auto& [key, value] : rules->entries) {
    if (value.kind != YamlNode::Kind::kNull) ReadRule(reader, key, value, RuleOf::kHost, policy.programs);
  }
  policy.programs.insert(policy.programs.end(), of_profile.begin(), of_profile.end());
}

void ReadProgramsOfPlugin(SchemaReader& reader, const YamlNode& node, std::vector<ProgramRule>& rules) {
  if (!reader.CheckNamedMap(node, "programs")) return;
  for (const auto& [key, value] : node.entries) {
    // The plugin may ask by this name, and what has a slash is a path.
    if (key.text.find('/') != std::string::npos) reader.Error(key, "'" + key.text + "' is no name: it has a '/'");
    if (value.kind != YamlNode::Kind::kNull) ReadRule(reader, key, value, RuleOf::kPlugin, rules);
  }
}

void ReadDeny(SchemaReader& reader, const YamlNode& node, Policy& policy) {
  if (!reader.CheckMap(node, "deny", {{"exec", "files", "plugins"}, {}})) return;
  const auto each = [&](const char* key, auto read) {
    const YamlNode* list = SchemaReader::Find(node, key);
    if (list == nullptr || !reader.CheckList(*list, std::string("deny.") + key)) return;
    for (const YamlNode& item : list->items) read(reader, item, policy);
  };
  each("exec", ReadDeniedProgram);
  each("files", ReadDeniedFile);
  each("plugins", ReadDeniedPlugin);
}

}  // namespace reeve::policy
