#pragma once

#include "tools/reevectl/subcommand.h"

namespace reeve::reevectl {

// `status`: how the running agent stands, asked at its control socket.
void AddStatus(CLI::App& parent, const Common& common, ExitCode& exit_code);

}  // namespace reeve::reevectl
