#include <cstdint>
#include <cstdlib>
#include <string>

#include "policy/decide.h"
#include "policy/parse.h"

// Any text is a policy or a list of mistakes; a policy can be asked, and what nobody may do holds in it.

namespace {

constexpr char kProfile[] =
    "schema: 1\ncommands: {allow: [guest-info]}\nplugins: {exec: {sandbox: {memory: 256 MiB}}}\n";

void Require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace reeve::policy;
  const ProfileTexts profiles = {{{"minimal.yaml", kProfile}, {"standard.yaml", kProfile}, {"open.yaml", kProfile}}};
  const auto policy = Parse({"fuzz.yaml", std::string(reinterpret_cast<const char*>(data), size)}, profiles);
  if (!policy) {
    Require(!policy.error().empty());
    for (const Diagnostic& diagnostic : policy.error()) Require(diagnostic.line > 0 && !diagnostic.message.empty());
    return 0;
  }
  const auto decider = Decider::Create(*policy);
  Require(decider.has_value());
  const std::string nul("a\0b", 3);
  const std::vector<std::string> args = {nul};
  Require(decider->Command({}, {"guest-ping", true}).is_allowed());
  Require(!decider->Program({}, {.path = "/bin/sh", .args = args}).is_allowed());
  Require(!decider->File({}, {"/srv/../etc/shadow", 1}).is_allowed() || policy->profile == BaseProfile::kOpen);
  for (const ProgramRule& rule : policy->programs) (void)decider->Program({}, {.path = rule.run});
  return 0;
}
