#pragma once

#include <string>
#include <vector>

#include "agent/compile/trusted_text.h"
#include "agent/config/assemble.h"
#include "base/result.h"

// The command line of reeve-compile. The warden forwards its own options and adds descriptors.

namespace reeve::compile {

enum class Task : uint8_t {
  kCompile,       // write the compiled configuration
  kListLookups,   // --list-lookups: write what reeve-resolve has to look up
  kListCommands,  // --list-commands: write the name of each command
};

struct Options {
  Task task = Task::kCompile;
  std::string policy;                   // --policy: a file or a profile's name; empty: the layers, else `standard`
  std::string vendor_policy_directory;  // --vendor-policy: the lowest layer; empty: none
  std::string etc_directory = "/etc/reeve";
  std::vector<std::string> plugin_directories;
  std::string profiles_directory;
  // Where Reeve's own helpers are, which a plugin's rule names without a slash; reeve-compile stands among them.
  std::string helper_directory;
  config::CommandLine command_line;
  int out_fd = -1;        // --out-fd: the block goes there
  std::string blob_path;  // --blob-to: or there
  int lookups_fd = -1;    // --lookups-fd: what reeve-resolve answered
  // --fallback: after a failure. Policy is `minimal`, and a reeve.yaml that is wrong counts as absent.
  bool is_fallback = false;
  // Files and directories in place of all layers, and whose are believed. Not of the command line: for tools that examine.
  std::vector<std::string> policy_layers;
  Trust trust = Trust::kOwned;
  std::vector<std::string> warnings;  // --warning: lines that the configuration shall say at every start
};

// getopt_long(3) is not thread-safe, and prints to standard error itself.
Result<Options> ParseOptions(int argc, char** argv);

}  // namespace reeve::compile
