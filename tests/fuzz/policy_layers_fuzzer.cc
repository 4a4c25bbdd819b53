#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "policy/decide.h"
#include "policy/parse.h"

// Any texts, divided by a line `~`, are the layers of a policy or a list of mistakes in them. What they come to is
// a policy that can be asked, and is the same each time.

namespace {

constexpr char kProfile[] =
    "schema: 1\ncommands: {allow: [guest-info]}\nplugins: {exec: {sandbox: {memory: 256 MiB, promises: [threads]}}}\n";
constexpr size_t kMaxLayers = 8;

void Require(bool holds) {
  if (!holds) std::abort();
}

std::vector<reeve::policy::PolicyText> Layers(std::string_view text) {
  std::vector<reeve::policy::PolicyText> layers;
  while (layers.size() < kMaxLayers) {
    const size_t end = text.find("\n~\n");
    layers.push_back({std::to_string(layers.size()), std::string(text.substr(0, end))});
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 3);
  }
  return layers;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace reeve::policy;
  const ProfileTexts profiles = {{{"minimal.yaml", kProfile}, {"standard.yaml", kProfile}, {"open.yaml", kProfile}}};
  const auto layers = Layers({reinterpret_cast<const char*>(data), size});
  Diagnostics warnings;
  const auto policy = ParseLayers(layers, profiles, warnings);
  for (const Diagnostic& warning : warnings) Require(warning.line > 0 && !warning.message.empty());
  if (!policy) {
    Require(!policy.error().empty());
    for (const Diagnostic& diagnostic : policy.error()) Require(diagnostic.line > 0 && !diagnostic.message.empty());
    return 0;
  }
  const auto decider = Decider::Create(*policy);
  Require(decider.has_value());
  Require(decider->Command({}, {"guest-ping", true}).is_allowed());
  for (const auto* list : {&policy->commands.allow, &policy->commands.deny}) {
    for (const NamePattern& pattern : *list) Require(!pattern.origin.file.empty() && pattern.origin.line > 0);
  }
  for (const ProgramRule& rule : policy->programs) Require(!rule.origin.file.empty());
  return 0;
}
