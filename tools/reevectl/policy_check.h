#pragma once

#include "tools/reevectl/subcommand.h"

namespace reeve::reevectl {

// `policy check`: reads what reeved would read, and tells every mistake as FILE:LINE:COLUMN.
void AddPolicyCheck(CLI::App& parent, const Common& common, ExitCode& exit_code);

}  // namespace reeve::reevectl
