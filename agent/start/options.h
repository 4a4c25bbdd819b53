#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

// The command line of reeved, compatible with qemu-ga's, over qemu-ga.conf (qemu_ga_conf.h), over what is built in. Not
// thread-safe, because getopt(3) is not.

namespace reeve::start {

inline constexpr char kDefaultRunDirectory[] = "/run/reeve";
inline constexpr char kDefaultStateDirectory[] = "/var/lib/reeve";
inline constexpr char kDefaultHook[] = "/etc/qemu/fsfreeze-hook";

struct Options {
  std::string method;                                // -m; empty: not given
  std::string path;                                  // -p; empty: not given
  std::string run_directory = kDefaultRunDirectory;  // -t, else $RUNTIME_DIRECTORY
  std::optional<std::string> log_file;               // -l; none or empty: standard error
  std::string pid_file = "/var/run/qemu-ga.pid";     // -f; written only by a daemon
  std::optional<std::string> fsfreeze_hook;          // -F; none: no hook
  std::string os_release;                            // $QGA_OS_RELEASE; empty: where it usually is
  bool is_verbose = false;                           // -v
  bool is_daemon = false;                            // -d
  bool retries_path = false;                         // -r; changes nothing
  bool dumps_configuration = false;                  // -D
  bool lists_commands = false;                       // -b help, -a help
  bool thaws = false;                                // --thaw
  // -b and -a, which accumulate. The names of each list stand in reverse, as qemu-ga keeps and dumps them; some may be empty.
  std::vector<std::string> blocked_commands;
  std::vector<std::string> allowed_commands;

  // Reeve's own.
  bool is_unprivileged = false;  // --unprivileged
  std::string home;              // of who runs this, when unprivileged (SettleUser)
  std::string policy;            // --policy: a file or the name of a profile; empty: the layers of /etc, /run and /usr
  std::string plugin_directory;  // --plugin-dir; empty: where the installation has them
  std::string etc_directory = "/etc/reeve";              // --etc-dir
  std::string state_directory = kDefaultStateDirectory;  // --var-dir: the last good configuration
  std::string binary_directory;  // --exec-dir: reeve-core and its like; empty: beside this executable's place

  // Set by Complete: method and path are not the built-in ones, so they name the one channel.
  bool names_channel = false;
};

// What the command line comes to: options to run with, or a text to print and an exit code.
struct ParsedOptions {
  std::optional<Options> options;
  std::string output;  // for standard output
  int exit_code = 0;
};

// The first look at the command line: the path of the last -c, if any. Prints nothing.
std::optional<std::string> ConfigurationFileOption(int argc, char** argv);

// The second: puts what the command line says over `options`. getopt_long(3) prints its own complaint to standard error.
ParsedOptions ParseOptions(int argc, char** argv, Options options);

// Appends a comma-separated list to `names`, in reverse.
void AppendNames(std::string_view list, std::vector<std::string>& names);

// Fills in method and path where they are built in or come from the service manager's socket: `activated_method` is its
// transport, empty when there is none. Fails when the method needs a path that is not there.
Status Complete(Options& options, const std::string& activated_method);

// Whether the method is one that can be served.
Status CheckMethod(const Options& options);

}  // namespace reeve::start
