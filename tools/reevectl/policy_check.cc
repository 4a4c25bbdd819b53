#include "tools/reevectl/policy_check.h"

#include <CLI/CLI.hpp>
#include <memory>

#include "agent/compile/compile.h"
#include "tools/reevectl/policy_source.h"

namespace reeve::reevectl {
namespace {

json::Value Lines(const std::vector<std::string>& lines) {
  json::List list;
  for (const std::string& line : lines) list.emplace_back(line);
  return json::Value(std::move(list));
}

void Tell(const Common& common, const compile::Problems& errors, const compile::Problems& warnings) {
  if (common.is_json) {
    json::Object told;
    told.push_back({"ok", json::Value(errors.empty())});
    told.push_back({"errors", Lines(errors)});
    told.push_back({"warnings", Lines(warnings)});
    return PrintJson(json::Value(std::move(told)));
  }
  for (const std::string& error : errors) Print(error);
  for (const std::string& warning : warnings) Print("warning: " + warning);
  if (errors.empty()) Print("The policy is good.");
}

ExitCode Check(const PolicySource& source, const Common& common) {
  const Result<compile::Options> options = CompileOptions(source);
  if (!options) return Cannot(options.error().message());
  const auto config = compile::Gather(*options);
  Tell(common, config ? compile::Problems() : config.error(), config ? config->warnings : compile::Problems());
  return config ? ExitCode::kOk : ExitCode::kNo;
}

}  // namespace

void AddPolicyCheck(CLI::App& parent, const Common& common, ExitCode& exit_code) {
  CLI::App* self = parent.add_subcommand("check", "Whether the policy is good, and what is wrong with it");
  const auto source = std::make_shared<PolicySource>();
  AddPolicySource(*self, *source);
  self->callback([source, &common, &exit_code] { exit_code = Check(*source, common); });
}

}  // namespace reeve::reevectl
