#pragma once

#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "agent/compile/options.h"
#include "agent/config/config.h"

// From files to a configuration. Reads; writes nothing.

namespace reeve::compile {

using Problems = std::vector<std::string>;  // one line each, `FILE:LINE:COL: ...` where there is a place

// Everything but what must be looked up: users are names, programs are paths, filters are empty. A plugin whose manifest
// is wrong is left out with a warning; anything else that is wrong fails.
std::expected<config::Config, Problems> Gather(const Options& options);

// What is looked up: users, programs, regular expressions. All that an examiner needs; filters stay empty.
std::expected<config::Config, Problems> LookUp(config::Config config, std::string_view answers,
                                               const std::optional<policy::RunAs>& ordinary_user = std::nullopt);

// The rest, with LookUp in it. `answers` are reeve-resolve's; without them only root is known and no uid is taken to be somebody's.
// `ordinary_user`: as in the command line.
std::expected<config::Config, Problems> Finish(config::Config config, std::string_view answers,
                                               const std::optional<policy::RunAs>& ordinary_user = std::nullopt);

// The files and directories that Gather reads, for confinement.
std::vector<std::string> ReadPaths(const Options& options);

}  // namespace reeve::compile
