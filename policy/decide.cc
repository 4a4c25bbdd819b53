#include "policy/decide.h"

#include <algorithm>

#include "policy/glob.h"
#include "policy/matcher.h"

namespace reeve::policy {
namespace {

constexpr char kAnyProgram[] = "*";

// The path with `.`, `..` and empty components worked out as text, taken from `/`: for denials, which must catch a path
// however it is written.
std::string Collapsed(std::string_view path) {
  std::vector<std::string_view> kept;
  for (size_t begin = 0; begin < path.size();) {
    const size_t slash = std::min(path.find('/', begin), path.size());
    const std::string_view component = path.substr(begin, slash - begin);
    begin = slash + 1;
    if (component.empty() || component == ".") continue;
    if (component != "..") {
      kept.push_back(component);
    } else if (!kept.empty()) {
      kept.pop_back();
    }
  }
  std::string collapsed;
  for (std::string_view component : kept) collapsed.append("/").append(component);
  return collapsed.empty() ? "/" : collapsed;
}

std::string_view BaseName(std::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

Decision Allow(std::string rule, const Origin& origin, std::string reason, uint32_t index = Decision::kNoIndex) {
  return {Verdict::kAllow, std::move(rule), origin, std::move(reason), index};
}
Decision Deny(std::string rule, const Origin& origin, std::string reason) {
  return {Verdict::kDeny, std::move(rule), origin, std::move(reason), Decision::kNoIndex};
}

// A denial for everyone ends the looking.
Decision TraceDenial(Decision denied, Trace* trace) {
  if (trace != nullptr) trace->push_back({denied.rule, denied.origin, Verdict::kDeny, true, denied.reason});
  return denied;
}

bool AppliesTo(const ChannelRules& rules, const Caller& caller) {
  if (rules.name != caller.channel) return false;
  if (rules.match_vsock_cid &&
      (caller.peer_kind != Caller::PeerKind::kVsock || caller.peer_number != *rules.match_vsock_cid)) {
    return false;
  }
  return !rules.match_unix_uid ||
         (caller.peer_kind == Caller::PeerKind::kUnix && caller.peer_number == *rules.match_unix_uid);
}

// One section's answer for a name: its most specific allow and its most specific deny.
struct SectionMatch {
  const NamePattern* allow = nullptr;
  const NamePattern* deny = nullptr;
  std::string rule_prefix;
};

const NamePattern* MostSpecific(const std::vector<NamePattern>& patterns, std::string_view name) {
  const NamePattern* best = nullptr;
  for (const NamePattern& pattern : patterns) {
    if (!MatchesName(pattern.pattern, name)) continue;
    if (best == nullptr || NameSpecificity(pattern.pattern) > NameSpecificity(best->pattern)) best = &pattern;
  }
  return best;
}

bool IsMoreSpecific(const NamePattern& left, const NamePattern& right) {
  return NameSpecificity(left.pattern) > NameSpecificity(right.pattern);
}

// What denies guest-exec denies Reeve's own ways to the same: who closed programs years ago, on qemu-ga's command line or
// here, knew no other name for them. So it is with freezing, all or a part.
std::span<const std::string_view> OlderNamesOf(std::string_view command) {
  static constexpr std::string_view kExec[] = {"guest-exec"};
  static constexpr std::string_view kFreeze[] = {"guest-fsfreeze-freeze", "guest-fsfreeze-freeze-list"};
  if (command == "exec-run" || command == "exec-kill") return kExec;
  if (command == "fsfreeze-freeze-disks") return kFreeze;
  return {};
}

const NamePattern* MostSpecificDeny(const std::vector<NamePattern>& patterns, std::string_view name) {
  const NamePattern* best = MostSpecific(patterns, name);
  for (const std::string_view older_name : OlderNamesOf(name)) {
    const NamePattern* older = MostSpecific(patterns, older_name);
    if (older != nullptr && (best == nullptr || IsMoreSpecific(*older, *best))) best = older;
  }
  return best;
}

SectionMatch MatchSection(const CommandRules& rules, std::string_view name, std::string rule_prefix) {
  return {MostSpecific(rules.allow, name), MostSpecificDeny(rules.deny, name), std::move(rule_prefix)};
}

// `sections` go from the narrowest to the broadest. A deny stands unless a more specific allow is in the same section
// or a narrower one; without any allow the answer is the default's.
Decision DecideCommand(const std::vector<SectionMatch>& sections, const Origin& default_origin) {
  const SectionMatch* granting = nullptr;
  const NamePattern* best_allow = nullptr;
  for (const SectionMatch& section : sections) {
    if (section.allow != nullptr && (best_allow == nullptr || IsMoreSpecific(*section.allow, *best_allow))) {
      best_allow = section.allow;
      granting = &section;
    }
    if (section.deny != nullptr && (best_allow == nullptr || !IsMoreSpecific(*best_allow, *section.deny))) {
      return Deny(section.rule_prefix + ".deny", section.deny->origin, "denied by '" + section.deny->pattern + "'");
    }
  }
  if (best_allow == nullptr) return Deny("default", default_origin, "no rule allows it");
  return Allow(granting->rule_prefix + ".allow", best_allow->origin, "allowed by '" + best_allow->pattern + "'");
}

// No policy file can name such a command under `deny`, and no pattern of one reaches it; what stands there under its very name
// was put there from the command line.
Decision DecideNeverDeniable(const Policy& policy, std::string_view name) {
  const auto named = std::ranges::find(policy.commands.deny, name, &NamePattern::pattern);
  if (named != policy.commands.deny.end())
    return Deny("commands.deny", named->origin, "denied by '" + named->pattern + "'");
  return Allow("never-deniable", policy.default_origin, "no policy can refuse it");
}

// Why one of the patterns that match decided or did not.
std::string OutcomeOf(Verdict effect, bool is_best_of_list, const Decision& decision) {
  if (!is_best_of_list) return "a more specific entry stands in the same list";
  if (effect == decision.verdict) return "another entry is more specific, or stands in a narrower section";
  if (effect == Verdict::kAllow) return "beaten by a denial that is at least as specific or in a narrower section";
  return "beaten by a more specific entry under allow, in the same section or a narrower one";
}

void TraceList(const std::vector<NamePattern>& patterns, const NamePattern* best, std::string_view name, Verdict effect,
               const std::string& rule, const Decision& decision, Trace& trace) {
  for (const NamePattern& pattern : patterns) {
    if (&pattern != best && !MatchesName(pattern.pattern, name)) continue;
    const bool decides = &pattern == best && effect == decision.verdict && rule == decision.rule;
    std::string outcome = decides ? decision.reason : OutcomeOf(effect, &pattern == best, decision);
    trace.push_back({rule, pattern.origin, effect, decides, "'" + pattern.pattern + "': " + std::move(outcome)});
  }
}

void TraceSection(const CommandRules& rules, const SectionMatch& match, std::string_view name, const Decision& decision,
                  Trace& trace) {
  TraceList(rules.deny, match.deny, name, Verdict::kDeny, match.rule_prefix + ".deny", decision, trace);
  TraceList(rules.allow, match.allow, name, Verdict::kAllow, match.rule_prefix + ".allow", decision, trace);
}

bool HasNul(std::string_view text) {
  return text.find('\0') != std::string_view::npos;
}

bool IsEnvironmentKept(const ProgramRule& rule, const std::string& assignment) {
  const size_t equals = assignment.find('=');
  if (equals == std::string::npos || equals == 0) return false;
  return std::ranges::find(rule.env_keep, assignment.substr(0, equals)) != rule.env_keep.end();
}

// Why the rest of the call, beside path and arguments, does not fit the rule; empty when it does.
std::string MisfitBesideArguments(const ProgramRule& rule, const ProgramCall& call) {
  if (call.has_env && !rule.inherits_environment) {
    for (const std::string& assignment : call.env) {
      if (!IsEnvironmentKept(rule, assignment)) return "an environment variable that env.keep does not list";
    }
  }
  if (call.has_stdin && !rule.allows_stdin) return "input-data, which the rule does not allow";
  if (call.has_stdin && rule.stdin_max_bytes != 0 && call.stdin_bytes > rule.stdin_max_bytes) {
    return "more input-data than the rule allows";
  }
  return "";
}

bool HasNulAnywhere(const ProgramCall& call) {
  return HasNul(call.path) || std::ranges::any_of(call.args, HasNul) || std::ranges::any_of(call.env, HasNul);
}

// A directory's globs on the path below it: one without `!` must match (if there are any), and none with.
bool MatchesGlobs(const std::vector<std::string>& globs, std::string_view relative) {
  bool has_including = false;
  bool is_included = false;
  for (const std::string& glob : globs) {
    if (glob.starts_with('!')) {
      if (MatchesPath(std::string_view(glob).substr(1), relative)) return false;
    } else {
      has_including = true;
      is_included = is_included || MatchesPath(glob, relative);
    }
  }
  return !has_including || is_included;
}

std::string_view Relative(std::string_view path, std::string_view directory) {
  return path.substr(directory == "/" ? 1 : directory.size() + 1);
}

}  // namespace

namespace {

// One rule of a policy, ready to match.
struct CompiledRule {
  const ProgramRule* rule = nullptr;
  std::vector<ArgumentListMatcher> alternatives;
};

Result<std::vector<CompiledRule>> CompileRules(const std::vector<ProgramRule>& rules) {
  std::vector<CompiledRule> compiled;
  for (const ProgramRule& rule : rules) {
    compiled.push_back({&rule, {}});
    for (const auto& alternative : rule.args) {
      auto list = ArgumentListMatcher::Create(alternative);
      if (!list) return Fail(list.error().Within("policy rule '" + rule.name + "' in " + rule.origin.ToString()));
      compiled.back().alternatives.push_back(std::move(*list));
    }
  }
  return compiled;
}

bool MatchesArguments(const CompiledRule& compiled, const ProgramCall& call) {
  if (compiled.rule->allows_any_args) return true;
  if (compiled.alternatives.empty()) return call.args.empty();
  return std::ranges::any_of(compiled.alternatives,
                             [&](const ArgumentListMatcher& list) { return list.Matches(call.args); });
}

std::string Misfit(const CompiledRule& compiled, const ProgramCall& call) {
  if (!MatchesArguments(compiled, call)) return "arguments that no alternative of the rule allows";
  return MisfitBesideArguments(*compiled.rule, call);
}

Considered ConsideredRule(const CompiledRule& compiled, const ProgramCall& call, const std::string& misfit,
                          bool is_late) {
  const ProgramRule& program = *compiled.rule;
  Considered considered = {program.name, program.origin, Verdict::kAllow, misfit.empty() && !is_late, misfit};
  if (misfit.empty()) {
    considered.outcome = is_late ? "a rule before it decides" : "program and arguments are as it says";
  } else if (!MatchesArguments(compiled, call)) {
    size_t matching = 0;
    for (const ArgumentListMatcher& list : compiled.alternatives) {
      matching = std::max(matching, list.CountMatching(call.args));
    }
    considered.outcome += matching < call.args.size() ? "; the first that does not fit is '" + call.args[matching] + "'"
                                                      : "; there are too few or too many";
  }
  return considered;
}

// Of the directories that hold the path those with the longest name decide.
Decision DirectoryDecision(const std::vector<FileDirectory>& directories, const Origin& default_origin,
                           const std::string& path, FileAccessMask access, Trace* trace) {
  size_t longest = 0;
  for (const FileDirectory& directory : directories) {
    if (IsBelow(path, directory.path)) longest = std::max(longest, directory.path.size());
  }
  Decision refusal = Deny("default", default_origin, "no directory of the policy holds it");
  std::optional<Decision> granted;
  for (size_t i = 0; i < directories.size(); i++) {
    const FileDirectory& directory = directories[i];
    if (!IsBelow(path, directory.path)) continue;
    const auto consider = [&](const char* outcome, bool decides = false) {
      if (trace != nullptr) trace->push_back({directory.id, directory.origin, Verdict::kAllow, decides, outcome});
    };
    if (directory.path.size() != longest) {
      consider("a directory further in holds the path");
    } else if (granted) {
      consider("an entry before it decides");
    } else if (!MatchesGlobs(directory.match, Relative(path, directory.path))) {
      refusal = Deny(directory.id, directory.origin, "its name is outside of match");
      consider("its name is outside of match");
    } else if ((access & ~directory.access) != 0) {
      refusal = Deny(directory.id, directory.origin, "access is not granted");
      consider("access is not granted");
    } else {
      granted = Allow(directory.id, directory.origin, "granted by the directory", static_cast<uint32_t>(i));
      if (trace == nullptr) break;
      consider("granted by the directory", true);
    }
  }
  return granted.value_or(refusal);
}

}  // namespace

struct Decider::Compiled {
  const Policy* policy = nullptr;
  std::vector<CompiledRule> rules;                        // as Policy::programs
  std::vector<std::vector<CompiledRule>> plugin_rules;    // as Policy::plugins and their programs
  std::vector<std::optional<ArgumentMatcher>> deny_args;  // as Policy::program_denies

  bool IsProgramDenied(size_t deny, const ProgramCall& call) const;
  std::optional<Decision> DenyOfProgram(const ProgramCall& call) const;
  std::optional<Decision> DenyOfFile(std::string_view collapsed_path) const;
  Decision DefaultRefusal(const char* reason) const { return Deny("default", policy->default_origin, reason); }
  // Which of `candidates` runs it; `names` says whether a rule speaks of the program at all.
  template <typename Names>
  Decision ProgramDecision(const std::vector<CompiledRule>& candidates, const ProgramCall& call, Asking asking,
                           Names names, Trace* trace) const;
};

// A name without a slash is searched in PATH later, so it is compared with the last component.
bool Decider::Compiled::IsProgramDenied(size_t deny, const ProgramCall& call) const {
  const ProgramDeny& rule = policy->program_denies[deny];
  const bool is_bare_name = call.path.find('/') == std::string_view::npos;
  const bool is_named =
      rule.run == kAnyProgram || Collapsed(call.path) == rule.run || (is_bare_name && call.path == BaseName(rule.run));
  if (!is_named || !deny_args[deny]) return is_named;
  return std::ranges::any_of(call.args, [&](const std::string& arg) {
    const bool is_path = arg.starts_with('/');
    return deny_args[deny]->MatchesAlsoOptions(arg) || (is_path && deny_args[deny]->MatchesAlsoOptions(Collapsed(arg)));
  });
}

std::optional<Decision> Decider::Compiled::DenyOfProgram(const ProgramCall& call) const {
  for (size_t i = 0; i < policy->program_denies.size(); i++) {
    if (!IsProgramDenied(i, call)) continue;
    return Deny("deny.exec", policy->program_denies[i].origin, "denied for everyone");
  }
  return std::nullopt;
}

std::optional<Decision> Decider::Compiled::DenyOfFile(std::string_view collapsed_path) const {
  for (const FilePathDeny& deny : policy->file_denies) {
    if (MatchesPath(deny.glob, collapsed_path)) {
      return Deny("deny.files", deny.origin, "denied for everyone by '" + deny.glob + "'");
    }
  }
  return std::nullopt;
}

template <typename Names>
Decision Decider::Compiled::ProgramDecision(const std::vector<CompiledRule>& candidates, const ProgramCall& call,
                                            Asking asking, Names names, Trace* trace) const {
  Decision refusal = DefaultRefusal("no rule runs it");
  std::optional<Decision> granted;
  for (size_t i = 0; i < candidates.size() && (!granted || trace != nullptr); i++) {
    const ProgramRule& rule = *candidates[i].rule;
    if (!names(rule)) continue;
    std::string misfit = Misfit(candidates[i], call);
    if (misfit.empty() && asking == Asking::kStanding && !rule.is_standing)
      misfit = "the plugin's manifest does not ask to run it without a request";
    if (trace != nullptr) trace->push_back(ConsideredRule(candidates[i], call, misfit, granted.has_value()));
    if (granted) continue;
    if (misfit.empty()) granted = Allow(rule.name, rule.origin, rule.reason, static_cast<uint32_t>(i));
    if (refusal.rule == "default") refusal = Deny(rule.name, rule.origin, misfit);
  }
  return granted.value_or(refusal);
}

Decider::Decider(std::unique_ptr<Compiled> compiled) : compiled_(std::move(compiled)) {}
Decider::Decider(Decider&&) noexcept = default;
Decider::~Decider() = default;

Result<Decider> Decider::Create(const Policy& policy) {
  auto compiled = std::make_unique<Compiled>();
  compiled->policy = &policy;
  compiled->rules = REEVE_TRY(CompileRules(policy.programs));
  for (const PluginRules& plugin : policy.plugins)
    compiled->plugin_rules.push_back(REEVE_TRY(CompileRules(plugin.programs)));
  for (const ProgramDeny& deny : policy.program_denies) {
    std::optional<ArgumentMatcher>& argument = compiled->deny_args.emplace_back();
    if (!deny.arg_any) continue;
    auto matcher = ArgumentMatcher::Create(*deny.arg_any);
    if (!matcher) return Fail(matcher.error().Within("policy rule 'deny.exec' in " + deny.origin.ToString()));
    argument = std::move(*matcher);
  }
  return Decider(std::move(compiled));
}

const Policy& Decider::policy() const {
  return *compiled_->policy;
}

Decision Decider::Command(const Caller& caller, const CommandCall& call, Trace* trace) const {
  const Policy& policy = *compiled_->policy;
  if (call.is_never_deniable) return DecideNeverDeniable(policy, call.command);
  std::vector<SectionMatch> sections;
  std::vector<const CommandRules*> rules;
  const auto add = [&](const CommandRules& section, std::string rule_prefix) {
    sections.push_back(MatchSection(section, call.command, std::move(rule_prefix)));
    rules.push_back(&section);
  };
  for (const ChannelRules& channel : policy.channels) {
    if (AppliesTo(channel, caller)) add(channel.commands, "channels." + channel.name + ".commands");
  }
  add(policy.commands, "commands");
  add(policy.profile_commands, "profile");
  Decision decision = DecideCommand(sections, policy.default_origin);
  for (size_t i = 0; trace != nullptr && i < sections.size(); i++) {
    TraceSection(*rules[i], sections[i], call.command, decision, *trace);
  }
  return decision;
}

Decision Decider::Program(const Caller&, const ProgramCall& call, Trace* trace) const {
  if (HasNulAnywhere(call)) return compiled_->DefaultRefusal("a NUL byte");
  if (std::optional<Decision> denied = compiled_->DenyOfProgram(call)) return TraceDenial(*denied, trace);
  const std::string normal = NormalPath(call.path);
  const auto names = [&](const ProgramRule& rule) {
    return rule.run == kAnyProgram || (!normal.empty() && normal == rule.run);
  };
  return compiled_->ProgramDecision(compiled_->rules, call, Asking::kForRequest, names, trace);
}

Decision Decider::PluginProgram(std::string_view plugin, const ProgramCall& call, Asking asking, Trace* trace) const {
  if (HasNulAnywhere(call)) return compiled_->DefaultRefusal("a NUL byte");
  const PluginRules* of_plugin = RulesOf(plugin);
  if (of_plugin == nullptr) return compiled_->DefaultRefusal("no rule of the plugin runs it");
  const std::string normal = NormalPath(call.path);
  const auto names = [&](const ProgramRule& rule) {
    if (rule.name == call.path && rule.run != kAnyProgram) return true;
    return !normal.empty() && (rule.run == kAnyProgram || normal == rule.run);
  };
  const auto number = static_cast<size_t>(of_plugin - compiled_->policy->plugins.data());
  Decision decision = compiled_->ProgramDecision(compiled_->plugin_rules[number], call, asking, names, trace);
  if (!decision.is_allowed()) return decision;
  const ProgramRule& rule = of_plugin->programs[decision.index];
  ProgramCall resolved = call;
  if (rule.run != kAnyProgram) resolved.path = rule.run;
  const std::optional<Decision> denied = compiled_->DenyOfProgram(resolved);
  if (!denied) return decision;
  for (size_t i = 0; trace != nullptr && i < trace->size(); i++) (*trace)[i].decides = false;
  return TraceDenial(*denied, trace);
}

Decision Decider::PluginFile(std::string_view plugin, const FileCall& call, Trace* trace) const {
  if (call.path.empty() || HasNul(call.path)) return compiled_->DefaultRefusal("an empty path or a NUL byte");
  if (std::optional<Decision> denied = compiled_->DenyOfFile(Collapsed(call.path))) return TraceDenial(*denied, trace);
  const std::string normal = NormalPath(call.path);
  if (normal.empty()) return compiled_->DefaultRefusal("its path is not absolute or has a `..`");
  const PluginRules* of_plugin = RulesOf(plugin);
  if (of_plugin == nullptr) return compiled_->DefaultRefusal("no directory of the plugin holds it");
  return DirectoryDecision(of_plugin->directories, compiled_->policy->default_origin, normal, call.access, trace);
}

const PluginRules* Decider::RulesOf(std::string_view plugin) const {
  const std::vector<PluginRules>& plugins = compiled_->policy->plugins;
  const auto found = std::ranges::find(plugins, plugin, &PluginRules::name);
  return found == plugins.end() ? nullptr : &*found;
}

Decision Decider::File(const Caller&, const FileCall& call, Trace* trace) const {
  const Policy& policy = *compiled_->policy;
  Decision refusal = Deny("default", policy.default_origin, "no directory of the policy holds it");
  if (call.path.empty() || HasNul(call.path)) {
    refusal.reason = "an empty path or a NUL byte";
    return refusal;
  }
  const std::string collapsed = Collapsed(call.path);
  if (std::optional<Decision> denied = compiled_->DenyOfFile(collapsed)) return TraceDenial(*denied, trace);
  for (size_t i = 0; i < policy.directories.size(); i++) {
    const FileDirectory& directory = policy.directories[i];
    const bool is_unlimited = directory.allows_any_type && directory.path == "/" && directory.match.empty();
    if (is_unlimited && policy.profile == BaseProfile::kOpen && (call.access & ~directory.access) == 0) {
      if (trace != nullptr) trace->push_back({directory.id, directory.origin, Verdict::kAllow, true, "any file"});
      return Allow(directory.id, directory.origin, "any file", static_cast<uint32_t>(i));
    }
  }
  const std::string normal = NormalPath(call.path);
  if (normal.empty()) {
    refusal.reason = "its path is not absolute or has a `..`";
    return refusal;
  }
  return DirectoryDecision(policy.directories, policy.default_origin, normal, call.access, trace);
}

Decision Decider::ResolvedProgram(const ProgramCall& call) const {
  if (std::optional<Decision> denied = compiled_->DenyOfProgram(call)) return *denied;
  return Allow("resolved", compiled_->policy->default_origin, "no denial names it");
}

Decision Decider::ResolvedFile(std::string_view resolved_path) const {
  if (std::optional<Decision> denied = compiled_->DenyOfFile(Collapsed(resolved_path))) return *denied;
  return Allow("resolved", compiled_->policy->default_origin, "no denial names it");
}

bool Decider::CouldPass(const Caller& caller, const CommandCall& call, bool runs_programs, bool opens_files) const {
  const Policy& policy = *compiled_->policy;
  if (!Command(caller, call).is_allowed()) return false;
  return (!runs_programs || !policy.programs.empty()) && (!opens_files || !policy.directories.empty());
}

std::string NormalPath(std::string_view path) {
  if (!path.starts_with('/') || HasNul(path)) return "";
  std::string normal;
  for (size_t begin = 1; begin <= path.size();) {
    const size_t slash = std::min(path.find('/', begin), path.size());
    const std::string_view component = path.substr(begin, slash - begin);
    begin = slash + 1;
    if (component == "..") return "";
    if (!component.empty() && component != ".") normal.append("/").append(component);
  }
  return normal.empty() ? "/" : normal;
}

bool IsBelow(std::string_view path, std::string_view directory) {
  if (directory == "/") return path.size() > 1 && path.starts_with('/');
  return path.size() > directory.size() + 1 && path.starts_with(directory) && path[directory.size()] == '/';
}

std::string CommandRefusal(std::string_view command, const Decision& decision) {
  return "Command " + std::string(command) + " has been disabled: policy rule '" + decision.rule + "' in " +
         decision.origin.ToString();
}

std::string ArgumentRefusal(std::string_view command, std::string_view what, const Decision& decision) {
  return std::string(command) + " refused: " + std::string(what) + " is not allowed by policy rule '" + decision.rule +
         "' in " + decision.origin.ToString();
}

}  // namespace reeve::policy
