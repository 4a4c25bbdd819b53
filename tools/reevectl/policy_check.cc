#include "tools/reevectl/policy_check.h"

#include <CLI/CLI.hpp>
#include <memory>

#include "tools/reevectl/policy_source.h"

namespace reeve::reevectl {
namespace {

json::Value Lines(const std::vector<std::string>& lines) {
  json::List list;
  for (const std::string& line : lines) list.emplace_back(line);
  return json::Value(std::move(list));
}

const char* StateWord(compile::PolicyFile::State state) {
  switch (state) {
    case compile::PolicyFile::State::kRead:
      return "read";
    case compile::PolicyFile::State::kMasked:
      return "masked";
    case compile::PolicyFile::State::kSwitchedOff:
      return "off";
  }
  return "";
}

json::Value Files(const std::vector<compile::PolicyFile>& files) {
  json::List list;
  for (const compile::PolicyFile& file : files) {
    json::Object entry;
    entry.push_back({"path", json::Value(file.path)});
    entry.push_back({"state", json::Value(std::string(StateWord(file.state)))});
    if (!file.masked_by.empty()) entry.push_back({"masked-by", json::Value(file.masked_by)});
    list.emplace_back(std::move(entry));
  }
  return json::Value(std::move(list));
}

void TellAsJson(const LoadedPolicy& loaded) {
  json::Object told;
  told.push_back({"ok", json::Value(loaded.errors.empty())});
  told.push_back({"files", Files(loaded.files)});
  told.push_back({"errors", Lines(loaded.errors)});
  told.push_back({"warnings", Lines(loaded.warnings)});
  PrintJson(json::Value(std::move(told)));
}

void Tell(const LoadedPolicy& loaded) {
  for (const compile::PolicyFile& file : loaded.files) {
    const std::string by = file.masked_by.empty() ? "" : " by " + file.masked_by;
    Print(std::string(StateWord(file.state)) + by + ": " + file.path);
  }
  for (const std::string& error : loaded.errors) Print(error);
  for (const std::string& warning : loaded.warnings) Print("warning: " + warning);
  if (loaded.errors.empty()) Print("The policy is good.");
}

ExitCode Check(const PolicySource& source, const Common& common) {
  const Result<LoadedPolicy> loaded = Load(source);
  if (!loaded) return Cannot(loaded.error().message());
  common.is_json ? TellAsJson(*loaded) : Tell(*loaded);
  return loaded->errors.empty() ? ExitCode::kOk : ExitCode::kNo;
}

}  // namespace

void AddPolicyCheck(CLI::App& parent, const Common& common, ExitCode& exit_code) {
  CLI::App* self = parent.add_subcommand("check", "Whether the policy is good, and what is wrong with it");
  const auto source = std::make_shared<PolicySource>();
  self->add_option("FILE", source->files,
                   "Files, and directories of *.yaml, from the lowest layer, instead of the machine's");
  AddPolicySource(*self, *source);
  self->callback([source, &common, &exit_code] { exit_code = Check(*source, common); });
}

}  // namespace reeve::reevectl
