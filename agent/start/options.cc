#include "agent/start/options.h"

#include <getopt.h>

#include <string_view>

namespace reeve::start {
namespace {

constexpr const char* kShortOptions = "hVvm:p:l:t:b:a:";

// Long options without a letter.
enum LongOption { kPolicy = 256, kUnprivileged, kPluginDirectory, kEtcDirectory, kVarDirectory, kExecDirectory };

constexpr option kLongOptions[] = {
    {"help", no_argument, nullptr, 'h'},
    {"version", no_argument, nullptr, 'V'},
    {"verbose", no_argument, nullptr, 'v'},
    {"method", required_argument, nullptr, 'm'},
    {"path", required_argument, nullptr, 'p'},
    {"logfile", required_argument, nullptr, 'l'},
    {"statedir", required_argument, nullptr, 't'},
    {"block-rpcs", required_argument, nullptr, 'b'},
    {"allow-rpcs", required_argument, nullptr, 'a'},
    {"policy", required_argument, nullptr, kPolicy},
    {"unprivileged", no_argument, nullptr, kUnprivileged},
    {"plugin-dir", required_argument, nullptr, kPluginDirectory},
    {"etc-dir", required_argument, nullptr, kEtcDirectory},
    {"var-dir", required_argument, nullptr, kVarDirectory},
    {"exec-dir", required_argument, nullptr, kExecDirectory},
    {nullptr, 0, nullptr, 0},
};

constexpr std::string_view kUsage =
    " [-m <method> -p <path>] [<options>]\n"
    "Reeve, a guest agent for virtual machines\n"
    "\n"
    "  -m, --method      transport method: virtio-serial, unix-listen or vsock-listen\n"
    "                    (virtio-serial is the default)\n"
    "  -p, --path        device or socket path, or <cid>:<port> for vsock; the default for\n"
    "                    virtio-serial is /dev/virtio-ports/org.qemu.guest_agent.0\n"
    "  -l, --logfile     log file; standard error is the default\n"
    "  -t, --statedir    directory for state at run time (default: $RUNTIME_DIRECTORY, else\n"
    "                    /run/reeve)\n"
    "  -v, --verbose     log more\n"
    "  -b, --block-rpcs  comma-separated list of commands to refuse beside what policy refuses\n"
    "                    (\"help\" lists the commands)\n"
    "  -a, --allow-rpcs  comma-separated list of the only commands to allow, of those that\n"
    "                    policy allows (\"help\" lists the commands)\n"
    "      --policy      a policy file, or the name of a profile: minimal, standard, open\n"
    "      --unprivileged  serve as an ordinary user, without what takes root\n"
    "      --plugin-dir  directory of plugins and their manifests\n"
    "  -V, --version     print the version and exit\n"
    "  -h, --help        print this and exit\n";

// On comma only, as qemu-ga does; empty names are none.
void AppendList(std::string_view list, std::vector<std::string>& names) {
  while (!list.empty()) {
    const size_t comma = list.find(',');
    if (comma != 0) names.emplace_back(list.substr(0, comma));
    if (comma == std::string_view::npos) return;
    list.remove_prefix(comma + 1);
  }
}

void TakeCommandList(std::string_view list, std::vector<std::string>& names, Options& options) {
  if (list == "help" || list == "?") {
    options.lists_commands = true;
    return;
  }
  AppendList(list, names);
}

ParsedOptions PrintAndExit(std::string output, int exit_code) {
  return {.options = std::nullopt, .output = std::move(output), .exit_code = exit_code};
}

std::string CheckMethod(const Options& options) {
  if (options.method.empty() || options.method == "virtio-serial") return "";
  if (options.method == "isa-serial") return "channel method isa-serial is not supported by this version\n";
  if (options.method != "unix-listen" && options.method != "vsock-listen")
    return "unsupported channel method/type: " + options.method + "\n";
  if (options.path.empty()) return "must specify a path for this channel\n";
  return "";
}

}  // namespace

ParsedOptions ParseOptions(int argc, char** argv, const char* environment_run_directory) {
  const std::string name = argc > 0 ? argv[0] : "reeved";
  Options options;
  options.run_directory = environment_run_directory != nullptr && *environment_run_directory != '\0'
                              ? environment_run_directory
                              : kDefaultRunDirectory;

  ::optind = 0;  // begins anew, also in a second call
  for (int letter; (letter = ::getopt_long(argc, argv, kShortOptions, kLongOptions, nullptr)) != -1;) {
    switch (letter) {
      case 'm':
        options.method = ::optarg;
        break;
      case 'p':
        options.path = ::optarg;
        break;
      case 'l':
        options.log_file = ::optarg;
        break;
      case 't':
        options.run_directory = ::optarg;
        break;
      case 'v':
        options.is_verbose = true;
        break;
      case 'b':
        TakeCommandList(::optarg, options.blocked_commands, options);
        break;
      case 'a':
        TakeCommandList(::optarg, options.allowed_commands, options);
        break;
      case kPolicy:
        options.policy = ::optarg;
        break;
      case kUnprivileged:
        options.is_unprivileged = true;
        break;
      case kPluginDirectory:
        options.plugin_directory = ::optarg;
        break;
      case kEtcDirectory:
        options.etc_directory = ::optarg;
        break;
      case kVarDirectory:
        options.state_directory = ::optarg;
        break;
      case kExecDirectory:
        options.binary_directory = ::optarg;
        break;
      case 'V':
        return PrintAndExit("Reeve " REEVE_VERSION "\n", 0);
      case 'h':
        return PrintAndExit("Usage: " + name + std::string(kUsage), 0);
      default:
        return PrintAndExit("Unknown option, try '" + name + " --help' for more information.\n", 1);
    }
  }
  if (std::string complaint = CheckMethod(options); !complaint.empty()) return PrintAndExit(std::move(complaint), 1);
  return {.options = std::move(options), .output = "", .exit_code = 0};
}

}  // namespace reeve::start
