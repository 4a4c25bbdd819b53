#include <CLI/CLI.hpp>

#include "tools/reevectl/policy_check.h"
#include "tools/reevectl/policy_explain.h"
#include "tools/reevectl/status_command.h"
#include "tools/reevectl/subcommand.h"

// reevectl: asks the agent, and explains what its policy says. Wires the subcommands; each has its own files.

namespace reeve::reevectl {
namespace {

int Main(int argc, char** argv) {
  CLI::App app("Asks Reeve, the guest agent, and explains what its policy says.", "reevectl");
  Common common;
  ExitCode exit_code = ExitCode::kOk;
  app.set_version_flag("-V,--version", "reevectl " REEVE_VERSION);
  app.add_flag("--json", common.is_json, "One JSON value on one line instead of text");
  app.require_subcommand(1);
  app.fallthrough();
  app.footer("Exit codes: 0 done, 1 the answer is no, 2 wrong usage or nobody to ask.");

  AddStatus(app, common, exit_code);
  CLI::App* policy = app.add_subcommand("policy", "What the host may do in this guest");
  policy->require_subcommand(1);
  AddPolicyCheck(*policy, common, exit_code);
  AddPolicyExplain(*policy, common, exit_code);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // The library prints help and complaints; its own exit codes say more than anybody asks for.
    return app.exit(error) == 0 ? 0 : static_cast<int>(ExitCode::kCannot);
  }
  return static_cast<int>(exit_code);
}

}  // namespace
}  // namespace reeve::reevectl

int main(int argc, char** argv) {
  return reeve::reevectl::Main(argc, argv);
}
