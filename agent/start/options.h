#pragma once

#include <optional>
#include <string>
#include <vector>

// The command line of reeved, compatible with qemu-ga's. Pure; not thread-safe, because getopt(3) is not.

namespace reeve::start {

inline constexpr char kDefaultRunDirectory[] = "/run/reeve";
inline constexpr char kDefaultStateDirectory[] = "/var/lib/reeve";

struct Options {
  std::string method;                                // -m; empty: not given
  std::string path;                                  // -p; empty: not given
  std::string run_directory = kDefaultRunDirectory;  // -t, else $RUNTIME_DIRECTORY, else /run/reeve
  std::string log_file;                              // -l; empty: standard error
  bool is_verbose = false;                           // -v
  std::vector<std::string> blocked_commands;         // -b, each a name; accumulated
  std::vector<std::string> allowed_commands;         // -a
  bool is_unprivileged = false;                      // --unprivileged
  std::string home;                                  // of who runs this, when unprivileged (SettleUser)
  bool lists_commands = false;                       // -b help, -a help
  std::string policy;            // --policy: a file or the name of a profile; empty: the layers of /etc, /run and /usr
  std::string plugin_directory;  // --plugin-dir; empty: where the installation has them
  std::string etc_directory = "/etc/reeve";              // --etc-dir
  std::string state_directory = kDefaultStateDirectory;  // --var-dir: the last good configuration
  std::string binary_directory;  // --exec-dir: reeve-core and its like; empty: beside this executable's place
};

// What the command line comes to: options to run with, or a text to print and an exit code.
struct ParsedOptions {
  std::optional<Options> options;
  std::string output;  // for standard output
  int exit_code = 0;
};

// getopt_long(3) prints its own complaint to standard error. `environment_run_directory` is $RUNTIME_DIRECTORY or null.
ParsedOptions ParseOptions(int argc, char** argv, const char* environment_run_directory);

}  // namespace reeve::start
