#include "tools/reevectl/explanation.h"

#include <algorithm>
#include <filesystem>

#include "agent/config/words.h"
#include "agent/core/argument_policy.h"
#include "policy/diagnostic.h"
#include "policy/parse.h"

namespace reeve::reevectl {
namespace {

using config::ArgumentCheck;

struct Found {
  const config::Plugin* plugin = nullptr;
  const config::CommandSpec* command = nullptr;
};

Result<Found> FindCommand(const config::Config& config, const std::string& name) {
  std::vector<std::string> names;
  for (const config::Plugin& plugin : config.plugins) {
    for (const config::CommandSpec& command : plugin.commands) {
      if (command.name == name) return Found{&plugin, &command};
      names.push_back(command.name);
    }
  }
  return Fail(Code::kInvalidArgument,
              "no installed plugin has a command '" + name + "'" + policy::DidYouMean(name, names));
}

std::string Milliseconds(uint32_t duration_ms) {
  if (duration_ms == 0) return "none";
  return duration_ms % 1000 == 0 ? std::to_string(duration_ms / 1000) + " s" : std::to_string(duration_ms) + " ms";
}

std::string Bytes(uint64_t bytes) {
  if (bytes == UINT64_MAX) return "no limit";
  if (bytes >= 1 << 20 && bytes % (1 << 20) == 0) return std::to_string(bytes >> 20) + " MiB";
  if (bytes >= 1 << 10 && bytes % (1 << 10) == 0) return std::to_string(bytes >> 10) + " KiB";
  return std::to_string(bytes) + " B";
}

std::string User(const policy::RunAs& as) {
  return as.name + " (uid " + std::to_string(as.uid) + ", gid " + std::to_string(as.gid) + ")";
}

// A sandboxed program's number is chosen when it starts.
std::string UserOf(const policy::ProgramRule& rule) {
  return rule.confine == policy::Confinement::kSandboxed ? "one of its own" : User(rule.as);
}

void DescribeProgram(const policy::ProgramRule& rule, Explanation& explanation) {
  auto& lines = explanation.program;
  lines.emplace_back("user", UserOf(rule));
  lines.emplace_back("confinement", policy::ConfinementNames()[static_cast<size_t>(rule.confine)]);
  lines.emplace_back("timeout", Milliseconds(rule.timeout_ms));
  lines.emplace_back("output kept", Bytes(rule.output_bytes == 0 ? policy::kMaxOutputBytes : rule.output_bytes));
  lines.emplace_back("input", rule.allows_stdin ? "allowed" : "none");
  lines.emplace_back("environment", rule.inherits_environment ? "the agent's, or the host's instead" : "fixed");
  if (!rule.program.resolved_path.empty()) lines.emplace_back("program here", rule.program.resolved_path);
}

void DescribeDirectory(const policy::FileDirectory& directory, Explanation& explanation) {
  auto& lines = explanation.program;
  lines.emplace_back("opened as", User(directory.as));
  lines.emplace_back("links", directory.follows_symlinks_within ? "within the directory" : "refused");
  if (directory.max_file_bytes != 0) lines.emplace_back("largest file", Bytes(directory.max_file_bytes));
}

void DescribeWorker(const config::Plugin& plugin, Explanation& explanation) {
  auto& lines = explanation.worker;
  if (plugin.library_path.empty()) {
    lines.emplace_back("served by", "the core itself");
    return;
  }
  const policy::SandboxProfile& sandbox = plugin.sandbox;
  lines.emplace_back("served by", "plugin " + plugin.name + ", uid " + std::to_string(sandbox.uid));
  lines.emplace_back("capabilities",
                     sandbox.capabilities == 0 ? "none" : config::CapabilityNames(sandbox.capabilities));
  std::string paths;
  for (const policy::PathGrant& grant : sandbox.paths) paths += (paths.empty() ? "" : ", ") + grant.path;
  lines.emplace_back("paths", paths.empty() ? "none" : paths);
  lines.emplace_back("memory", Bytes(sandbox.limits.data_bytes));
  lines.emplace_back("open files", std::to_string(sandbox.limits.open_files));
  lines.emplace_back("largest file", Bytes(sandbox.limits.file_bytes));
}

// What the plugin's own commands may have run and opened.
void DescribeOwnRules(const policy::PluginRules* rules, Explanation& explanation) {
  std::string programs;
  std::string directories;
  if (rules != nullptr) {
    for (const policy::ProgramRule& rule : rules->programs)
      programs += (programs.empty() ? "" : ", ") + rule.name + (rule.is_standing ? " (also without a request)" : "");
    for (const policy::FileDirectory& one : rules->directories)
      directories += (directories.empty() ? "" : ", ") + one.id + " " + one.path;
  }
  if (!programs.empty()) explanation.worker.emplace_back("programs", programs);
  if (!directories.empty()) explanation.worker.emplace_back("directories", directories);
}

policy::Caller CallerOf(const Call& call) {
  policy::Caller caller = {.channel = call.channel};
  if (call.unix_uid) {
    caller.peer_kind = policy::Caller::PeerKind::kUnix;
    caller.peer_number = *call.unix_uid;
  } else if (call.vsock_cid) {
    caller.peer_kind = policy::Caller::PeerKind::kVsock;
    caller.peer_number = *call.vsock_cid;
  }
  return caller;
}

// What the warden looks at last: the name that this one comes to on this machine.
void ResolveProgram(const policy::Decider& decider, const std::string& program, const Call& call,
                    std::vector<Step>& steps) {
  std::error_code error;
  const std::string resolved = std::filesystem::canonical(program, error);
  if (error || resolved == program) return;
  policy::Decision decision =
      decider.ResolvedProgram({.path = resolved, .args = std::span(call.args).subspan(1), .env = {}});
  if (!decision.is_allowed()) steps.push_back({"what the program is here, " + resolved, std::move(decision), {}});
}

void AskProgram(const policy::Decider& decider, const Call& call, Explanation& explanation) {
  Step step{"the program", {}, {}};
  step.decision = decider.Program(
      CallerOf(call), {.path = call.args[0], .args = std::span(call.args).subspan(1), .env = {}}, &step.trace);
  const policy::Decision decision = step.decision;
  explanation.steps.push_back(std::move(step));
  if (!decision.is_allowed()) return;
  DescribeProgram(decider.policy().programs[decision.index], explanation);
  ResolveProgram(decider, call.args[0], call, explanation.steps);
}

Result<policy::FileCall> FileCallOf(const Call& call) {
  const std::string mode = call.args.size() > 1 ? call.args[1] : "r";
  const auto access = core::AccessOfMode(mode);
  if (!access) return Fail(Code::kInvalidArgument, "'" + mode + "' is no mode of a file; r, w, a and so on");
  return policy::FileCall{call.args[0], *access};
}

Status AskFile(const policy::Decider& decider, const Call& call, Explanation& explanation) {
  const policy::FileCall file = REEVE_TRY(FileCallOf(call));
  Step step{"the file", {}, {}};
  step.decision = decider.File(CallerOf(call), file, &step.trace);
  const policy::Decision decision = step.decision;
  explanation.steps.push_back(std::move(step));
  if (decision.is_allowed()) DescribeDirectory(decider.policy().directories[decision.index], explanation);
  return {};
}

Status AskArguments(const policy::Decider& decider, const Found& found, const Call& call, Explanation& explanation) {
  if (call.args.empty()) return {};
  switch (found.command->check) {
    case ArgumentCheck::kProgram:
      AskProgram(decider, call, explanation);
      return {};
    case ArgumentCheck::kFile:
      return AskFile(decider, call, explanation);
    case ArgumentCheck::kNone:
      break;
  }
  return Fail(Code::kInvalidArgument, "policy does not look at the arguments of " + call.command + "; leave them out");
}

void AskOwnProgram(const policy::Decider& decider, const Call& call, Explanation& explanation) {
  Step step{"the plugin's program", {}, {}};
  step.decision =
      decider.PluginProgram(call.plugin, {.path = call.args[0], .args = std::span(call.args).subspan(1), .env = {}},
                            policy::Asking::kForRequest, &step.trace);
  const policy::Decision decision = step.decision;
  explanation.steps.push_back(std::move(step));
  if (!decision.is_allowed()) return;
  const policy::ProgramRule& rule = decider.RulesOf(call.plugin)->programs[decision.index];
  DescribeProgram(rule, explanation);
  explanation.program.emplace_back("without request", rule.is_standing ? "also" : "never");
  ResolveProgram(decider, rule.run == "*" ? call.args[0] : rule.run, call, explanation.steps);
}

Status AskOwnFile(const policy::Decider& decider, const Call& call, Explanation& explanation) {
  const policy::FileCall file = REEVE_TRY(FileCallOf(call));
  Step step{"the plugin's file", {}, {}};
  step.decision = decider.PluginFile(call.plugin, file, &step.trace);
  const policy::Decision decision = step.decision;
  explanation.steps.push_back(std::move(step));
  if (decision.is_allowed()) DescribeDirectory(decider.RulesOf(call.plugin)->directories[decision.index], explanation);
  return {};
}

Result<const config::Plugin*> FindPlugin(const config::Config& config, const std::string& name) {
  std::vector<std::string> names;
  for (const config::Plugin& plugin : config.plugins) {
    if (plugin.name == name) return &plugin;
    names.push_back(plugin.name);
  }
  return Fail(Code::kInvalidArgument, "no plugin '" + name + "' is installed" + policy::DidYouMean(name, names));
}

void Conclude(const config::Plugin& plugin, Explanation& explanation) {
  const policy::Decision& last = explanation.steps.back().decision;
  explanation.is_allowed = last.is_allowed() && plugin.is_enabled;
  explanation.rule = last.rule;
  explanation.origin = last.origin;
  explanation.reason = plugin.is_enabled ? last.reason : plugin.disabled_reason;
  DescribeWorker(plugin, explanation);
}

Result<Explanation> ExplainOwn(const config::Config& config, const Call& call) {
  const config::Plugin* const plugin = REEVE_TRY(FindPlugin(config, call.plugin));
  const policy::Decider decider = REEVE_TRY(policy::Decider::Create(config.policy));
  const bool is_run = call.command == "run";
  if ((!is_run && call.command != "open") || call.args.empty())
    return Fail(Code::kInvalidArgument, "of a plugin's own: 'run PROGRAM [ARG...]' or 'open PATH [MODE]'");
  Explanation explanation;
  if (is_run) AskOwnProgram(decider, call, explanation);
  if (!is_run) REEVE_TRY(AskOwnFile(decider, call, explanation));
  Conclude(*plugin, explanation);
  DescribeOwnRules(decider.RulesOf(plugin->name), explanation);
  return explanation;
}

}  // namespace

Result<Explanation> Explain(const config::Config& config, const Call& call) {
  if (!call.plugin.empty()) return ExplainOwn(config, call);
  const Found found = REEVE_TRY(FindCommand(config, call.command));
  const policy::Decider decider = REEVE_TRY(policy::Decider::Create(config.policy));
  Explanation explanation;
  Step command{"the command", {}, {}};
  command.decision =
      decider.Command(CallerOf(call), {call.command, found.command->Has(config::kNeverDeniable)}, &command.trace);
  explanation.steps.push_back(std::move(command));
  if (explanation.steps[0].decision.is_allowed()) REEVE_TRY(AskArguments(decider, found, call, explanation));
  Conclude(*found.plugin, explanation);
  DescribeOwnRules(decider.RulesOf(found.plugin->name), explanation);
  return explanation;
}

}  // namespace reeve::reevectl
