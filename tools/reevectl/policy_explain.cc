#include "tools/reevectl/policy_explain.h"

#include <CLI/CLI.hpp>
#include <memory>

#include "tools/reevectl/explanation.h"
#include "tools/reevectl/policy_source.h"

namespace reeve::reevectl {
namespace {

using Lines = std::vector<std::pair<std::string, std::string>>;

constexpr size_t kNameWidth = 14;

std::string Word(policy::Verdict verdict) {
  return verdict == policy::Verdict::kAllow ? "allow" : "deny";
}

void PrintLines(const std::string& title, const Lines& lines) {
  if (lines.empty()) return;
  Print("\n" + title);
  for (const auto& [name, value] : lines) {
    Print("  " + name + std::string(name.size() < kNameWidth ? kNameWidth - name.size() : 1, ' ') + value);
  }
}

// Two lines a rule, so that places of any length leave the reasons readable.
void PrintStep(const Step& step) {
  Print("\n" + step.question + ": " + Word(step.decision.verdict) + ", rule '" + step.decision.rule + "'");
  for (const policy::Considered& considered : step.trace) {
    Print(std::string(considered.decides ? "> " : "  ") + Word(considered.effect) + " '" + considered.rule + "' " +
          considered.origin.ToString());
    Print("      " + considered.outcome);
  }
  if (step.trace.empty()) Print("      " + step.decision.reason);
}

void Tell(const Explanation& explanation) {
  Print(std::string(explanation.is_allowed ? "ALLOWED" : "DENIED") + " by policy rule '" + explanation.rule + "' in " +
        explanation.origin.ToString());
  if (!explanation.reason.empty()) Print(explanation.reason);
  for (const Step& step : explanation.steps) PrintStep(step);
  PrintLines("It would get", explanation.program);
  PrintLines("The command is", explanation.worker);
}

json::Value Text(const std::string& text) {
  return json::Value(text);
}

json::Value LinesAsJson(const Lines& lines) {
  json::Object object;
  for (const auto& [name, value] : lines) object.push_back({name, Text(value)});
  return json::Value(std::move(object));
}

json::Value StepAsJson(const Step& step) {
  json::List considered;
  for (const policy::Considered& one : step.trace) {
    json::Object entry;
    entry.push_back({"rule", Text(one.rule)});
    entry.push_back({"effect", Text(Word(one.effect))});
    entry.push_back({"file", Text(one.origin.file)});
    entry.push_back({"line", json::Value(static_cast<int64_t>(one.origin.line))});
    entry.push_back({"decides", json::Value(one.decides)});
    entry.push_back({"outcome", Text(one.outcome)});
    considered.emplace_back(std::move(entry));
  }
  json::Object object;
  object.push_back({"question", Text(step.question)});
  object.push_back({"verdict", Text(Word(step.decision.verdict))});
  object.push_back({"rule", Text(step.decision.rule)});
  object.push_back({"considered", json::Value(std::move(considered))});
  return json::Value(std::move(object));
}

void TellAsJson(const Explanation& explanation) {
  json::List steps;
  for (const Step& step : explanation.steps) steps.push_back(StepAsJson(step));
  json::Object told;
  told.push_back({"allowed", json::Value(explanation.is_allowed)});
  told.push_back({"rule", Text(explanation.rule)});
  told.push_back({"file", Text(explanation.origin.file)});
  told.push_back({"line", json::Value(static_cast<int64_t>(explanation.origin.line))});
  told.push_back({"reason", Text(explanation.reason)});
  told.push_back({"steps", json::Value(std::move(steps))});
  told.push_back({"program", LinesAsJson(explanation.program)});
  told.push_back({"worker", LinesAsJson(explanation.worker)});
  PrintJson(json::Value(std::move(told)));
}

ExitCode RunExplain(const PolicySource& source, const Call& call, const Common& common) {
  const Result<LoadedPolicy> loaded = Load(source);
  if (!loaded) return Cannot(loaded.error().message());
  if (!loaded->errors.empty()) return Cannot("the policy is bad: " + loaded->errors[0]);
  const Result<Explanation> explanation = Explain(loaded->config, call);
  if (!explanation) return Cannot(explanation.error().message());
  common.is_json ? TellAsJson(*explanation) : Tell(*explanation);
  return explanation->is_allowed ? ExitCode::kOk : ExitCode::kNo;
}

// What stands after the options, in its order; an argument of the program may look like an option.
ExitCode ReadAndExplain(const CLI::App& self, const PolicySource& source, Call& call, const Common& common) {
  std::vector<std::string> words = self.remaining();
  if (!words.empty() && words[0] == "--") words.erase(words.begin());
  if (words.empty()) return Cannot("policy explain needs a command, as 'policy explain guest-exec /bin/true'");
  if (words[0].starts_with('-')) return Cannot("unknown option " + words[0]);
  call.command = words[0];
  call.args.assign(words.begin() + 1, words.end());
  return RunExplain(source, call, common);
}

}  // namespace

void AddPolicyExplain(CLI::App& parent, const Common& common, ExitCode& exit_code) {
  CLI::App* self = parent.add_subcommand("explain", "Whether the host may issue a command, by which rule, and why");
  self->footer(
      "After the options: COMMAND [ARG...], as\n"
      "  guest-set-time\n"
      "  guest-exec PROGRAM [ARG...]\n"
      "  guest-file-open PATH [MODE]\n"
      "With --plugin, what that plugin's own commands may have done:\n"
      "  run PROGRAM [ARG...]\n"
      "  open PATH [MODE]");
  // From the command on, words are the call's and nobody else's; so the common option is also this one's own.
  self->fallthrough(false);
  self->prefix_command();
  const auto own = std::make_shared<Common>();
  self->add_flag("--json", own->is_json, "One JSON value on one line instead of text");
  const auto source = std::make_shared<PolicySource>();
  const auto call = std::make_shared<Call>();
  AddPolicySource(*self, *source);
  self->add_option("--channel", call->channel, "The channel's name in reeve.yaml")->capture_default_str();
  CLI::Option* uid = self->add_option("--unix-uid", call->unix_uid, "The host's process is a unix peer of this user");
  self->add_option("--vsock-cid", call->vsock_cid, "The peer is this CID of vsock")->excludes(uid);
  self->add_option("--plugin", call->plugin, "Not the host: this plugin asks, by its own rules");
  self->callback([self, source, call, own, &common, &exit_code] {
    own->is_json = own->is_json || common.is_json;
    exit_code = ReadAndExplain(*self, *source, *call, *own);
  });
}

}  // namespace reeve::reevectl
