#pragma once

#include <string>
#include <vector>

#include "agent/config/config.h"
#include "agent/start/layout.h"
#include "agent/start/options.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace reeve::start {

// The configuration that this run is under, twice: as the sealed block that the core maps, and read.
struct Compiled {
  config::Config config;
  UniqueFd blob;
  std::string note;  // why it is not what its files say; empty: it is
};

// Has reeve-compile and reeve-resolve make it out of the files. When that fails: the last good one of the same options and
// places (not with --policy), else the fallback under profile `minimal`, never `open`; both say so loudly, in warnings of
// the configuration itself or here. Before serving: it waits for them. `activated_count` sockets came from the
// service manager.
Result<Compiled> CompileConfiguration(const Options& options, const Layout& layout, int activated_count);

// Has reeve-compile list all commands, one on a line: for `-b help`.
Result<std::string> ListCommands(const Options& options, const Layout& layout);

// The arguments of reeve-compile that say which files and options are meant; also what the last good one is kept under. Pure.
std::vector<std::string> CompileArguments(const Options& options, const Layout& layout, int activated_count);

}  // namespace reeve::start
