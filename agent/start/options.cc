#include "agent/start/options.h"

#include <getopt.h>

#include <algorithm>
#include <string_view>

namespace reeve::start {
namespace {

// qemu-ga's; `s` is taken with its argument and means nothing here, as there.
constexpr const char* kShortOptions = "hVvdrDc:m:p:l:f:F::t:b:a:s:";

// Long options without a letter.
enum LongOption { kPolicy = 256, kUnprivileged, kPluginDirectory, kEtcDirectory, kVarDirectory, kExecDirectory, kThaw };

constexpr option kLongOptions[] = {
    {"help", no_argument, nullptr, 'h'},
    {"version", no_argument, nullptr, 'V'},
    {"config", required_argument, nullptr, 'c'},
    {"method", required_argument, nullptr, 'm'},
    {"path", required_argument, nullptr, 'p'},
    {"logfile", required_argument, nullptr, 'l'},
    {"pidfile", required_argument, nullptr, 'f'},
    {"fsfreeze-hook", optional_argument, nullptr, 'F'},
    {"statedir", required_argument, nullptr, 't'},
    {"verbose", no_argument, nullptr, 'v'},
    {"daemonize", no_argument, nullptr, 'd'},
    {"retry-path", no_argument, nullptr, 'r'},
    {"block-rpcs", required_argument, nullptr, 'b'},
    {"blacklist", required_argument, nullptr, 'b'},  // of qemu-ga up to 9.0; RHEL 7 and 8 start it with --blacklist
    {"allow-rpcs", required_argument, nullptr, 'a'},
    {"dump-conf", no_argument, nullptr, 'D'},
    {"policy", required_argument, nullptr, kPolicy},
    {"unprivileged", no_argument, nullptr, kUnprivileged},
    {"plugin-dir", required_argument, nullptr, kPluginDirectory},
    {"etc-dir", required_argument, nullptr, kEtcDirectory},
    {"var-dir", required_argument, nullptr, kVarDirectory},
    {"exec-dir", required_argument, nullptr, kExecDirectory},
    {"thaw", no_argument, nullptr, kThaw},
    {nullptr, 0, nullptr, 0},
};

constexpr std::string_view kUsage =
    " [-m <method> -p <path>] [<options>]\n"
    "Reeve, a guest agent for virtual machines, started as qemu-ga is\n"
    "\n"
    "  -c, --config      configuration file with the options below, in qemu-ga's form\n"
    "                    (default: $QGA_CONF, else /etc/qemu/qemu-ga.conf)\n"
    "  -m, --method      transport method: virtio-serial, isa-serial, unix-listen or\n"
    "                    vsock-listen (default: virtio-serial)\n"
    "  -p, --path        path of the device or socket, or <cid>:<port> for vsock-listen\n"
    "                    (default: /dev/virtio-ports/org.qemu.guest_agent.0 for\n"
    "                    virtio-serial, /dev/ttyS0 for isa-serial)\n"
    "                    Without -m and -p, the channels of reeve.yaml are served.\n"
    "  -l, --logfile     log file (default: standard error)\n"
    "  -f, --pidfile     pid file of a daemon (default: /var/run/qemu-ga.pid)\n"
    "  -F, --fsfreeze-hook\n"
    "                    run a hook at freeze and thaw: the path that is attached, as in\n"
    "                    -F/path, else /etc/qemu/fsfreeze-hook\n"
    "  -t, --statedir    directory for state at run time (default: $RUNTIME_DIRECTORY, else\n"
    "                    /run/reeve)\n"
    "  -v, --verbose     log more\n"
    "  -d, --daemonize   go to the background\n"
    "  -r, --retry-path  accepted; a missing device is waited for anyway\n"
    "  -b, --block-rpcs  comma-separated list of commands to refuse beside what policy refuses\n"
    "                    (\"help\" lists the commands)\n"
    "  -a, --allow-rpcs  comma-separated list of the only commands to allow, of those that\n"
    "                    policy allows (\"help\" lists the commands)\n"
    "  -D, --dump-conf   print these options as a configuration file and exit\n"
    "      --policy      a policy file, or the name of a profile: minimal, standard, open\n"
    "      --unprivileged\n"
    "                    serve as an ordinary user, without what takes root\n"
    "      --plugin-dir  directory of plugins and their manifests\n"
    "      --etc-dir     directory of reeve.yaml and policy.yaml (default: /etc/reeve)\n"
    "      --var-dir     directory of the last good configuration (default: /var/lib/reeve)\n"
    "      --exec-dir    directory of reeve-core and its like\n"
    "      --thaw        thaw what an agent left frozen that used the same -t, and exit\n"
    "  -V, --version     print the version and exit\n"
    "  -h, --help        print this and exit\n";

void TakeCommandList(std::string_view list, std::vector<std::string>& names, Options& options) {
  if (list == "help" || list == "?")
    options.lists_commands = true;
  else
    AppendNames(list, names);
}

ParsedOptions PrintAndExit(std::string output, int exit_code) {
  return {.options = std::nullopt, .output = std::move(output), .exit_code = exit_code};
}

// What is only put into its field.
struct TextOption {
  int letter;
  std::string Options::* field;
};
constexpr TextOption kTexts[] = {
    {'m', &Options::method},
    {'p', &Options::path},
    {'f', &Options::pid_file},
    {'t', &Options::run_directory},
    {kPolicy, &Options::policy},
    {kPluginDirectory, &Options::plugin_directory},
    {kEtcDirectory, &Options::etc_directory},
    {kVarDirectory, &Options::state_directory},
    {kExecDirectory, &Options::binary_directory},
};
struct Flag {
  int letter;
  bool Options::* field;
};
constexpr Flag kFlags[] = {
    {'v', &Options::is_verbose},
    {'d', &Options::is_daemon},
    {'r', &Options::retries_path},
    {'D', &Options::dumps_configuration},
    {kUnprivileged, &Options::is_unprivileged},
    {kThaw, &Options::thaws},
};

// Whether `letter` is an option that says how to run. `argument` is null where there is none.
bool Take(int letter, const char* argument, Options& options) {
  for (const TextOption& text : kTexts) {
    if (text.letter != letter) continue;
    options.*text.field = argument;
    return true;
  }
  for (const Flag& flag : kFlags) {
    if (flag.letter != letter) continue;
    options.*flag.field = true;
    return true;
  }
  if (letter == 'l') options.log_file = argument;
  if (letter == 'F') options.fsfreeze_hook = argument != nullptr ? argument : kDefaultHook;
  if (letter == 'b') TakeCommandList(argument, options.blocked_commands, options);
  if (letter == 'a') TakeCommandList(argument, options.allowed_commands, options);
  // -c is ConfigurationFileOption's, -s nobody's.
  return std::string_view("lFbacs").find(static_cast<char>(letter)) != std::string_view::npos;
}

}  // namespace

std::optional<std::string> ConfigurationFileOption(int argc, char** argv) {
  std::optional<std::string> path;
  ::optind = 0;  // begins anew, also in a second call
  ::opterr = 0;
  for (int letter; (letter = ::getopt_long(argc, argv, kShortOptions, kLongOptions, nullptr)) != -1;) {
    if (letter == 'c') path = ::optarg;
  }
  return path;
}

ParsedOptions ParseOptions(int argc, char** argv, Options options) {
  const std::string name = argc > 0 ? argv[0] : "reeved";
  ::optind = 0;
  ::opterr = 1;
  for (int letter; (letter = ::getopt_long(argc, argv, kShortOptions, kLongOptions, nullptr)) != -1;) {
    if (letter == 'V') return PrintAndExit("Reeve " REEVE_VERSION "\n", 0);
    if (letter == 'h') return PrintAndExit("Usage: " + name + std::string(kUsage), 0);
    if (!Take(letter, ::optarg, options))
      return PrintAndExit("Unknown option, try '" + name + " --help' for more information.\n", 1);
  }
  return {.options = std::move(options), .output = "", .exit_code = 0};
}

void AppendNames(std::string_view list, std::vector<std::string>& names) {
  if (list.empty()) return;
  const auto first = static_cast<std::ptrdiff_t>(names.size());
  for (size_t begin = 0; begin <= list.size();) {
    const size_t end = std::min(list.find(',', begin), list.size());
    names.emplace_back(list.substr(begin, end - begin));
    begin = end + 1;
  }
  std::reverse(names.begin() + first, names.end());
}

Status Complete(Options& options, const std::string& activated_method) {
  if (!activated_method.empty()) {
    options.method = activated_method;
    options.path.clear();
    return {};
  }
  options.names_channel = !options.method.empty() || !options.path.empty();
  if (options.method.empty()) options.method = "virtio-serial";
  if (!options.path.empty()) return {};
  if (options.method == "virtio-serial")
    options.path = "/dev/virtio-ports/org.qemu.guest_agent.0";
  else if (options.method == "isa-serial")
    options.path = "/dev/ttyS0";
  else
    return Fail(Code::kInvalidArgument, "must specify a path for this channel");
  return {};
}

Status CheckMethod(const Options& options) {
  constexpr std::string_view kMethods[] = {"virtio-serial", "isa-serial", "unix-listen", "vsock-listen"};
  if (std::ranges::find(kMethods, options.method) != std::end(kMethods)) return {};
  return Fail(Code::kInvalidArgument, "unsupported channel method/type: " + options.method);
}

}  // namespace reeve::start
