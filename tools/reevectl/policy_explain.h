#pragma once

#include "tools/reevectl/subcommand.h"

namespace reeve::reevectl {

// `policy explain COMMAND [ARG...]`: whether the host may, by which rule, why the others did not decide, and under what
// the program and the plugin would run. The answer is the agent's own: the same decision, asked to tell its way.
void AddPolicyExplain(CLI::App& parent, const Common& common, ExitCode& exit_code);

}  // namespace reeve::reevectl
