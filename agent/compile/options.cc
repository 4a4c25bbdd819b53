#include "agent/compile/options.h"

#include <getopt.h>
#include <unistd.h>

#include <charconv>
#include <filesystem>

#ifndef REEVE_DATA_DIRECTORY
#error "the build says where profiles are installed"
#endif

namespace reeve::compile {
namespace {

enum Option : int {
  kPolicy = 256,
  kVendorPolicy,
  kEtc,
  kPluginDirectory,
  kProfiles,
  kMethod,
  kPath,
  kRunDirectory,
  kBlock,
  kAllow,
  kLogFile,
  kFsfreezeHook,
  kOsRelease,
  kVerbose,
  kActivatedFd,
  kOutFd,
  kBlobTo,
  kLookupsFd,
  kFallback,
  kWarning,
  kGeneration,
  kUnprivileged,
  kListLookups,
  kListCommands,
};

constexpr struct option kOptions[] = {
    {"policy", required_argument, nullptr, kPolicy},
    {"vendor-policy", required_argument, nullptr, kVendorPolicy},
    {"etc", required_argument, nullptr, kEtc},
    {"plugin-dir", required_argument, nullptr, kPluginDirectory},
    {"profiles", required_argument, nullptr, kProfiles},
    {"method", required_argument, nullptr, kMethod},
    {"path", required_argument, nullptr, kPath},
    {"run-directory", required_argument, nullptr, kRunDirectory},
    {"block-rpcs", required_argument, nullptr, kBlock},
    {"allow-rpcs", required_argument, nullptr, kAllow},
    {"log-file", required_argument, nullptr, kLogFile},
    {"fsfreeze-hook", required_argument, nullptr, kFsfreezeHook},
    {"os-release", required_argument, nullptr, kOsRelease},
    {"verbose", no_argument, nullptr, kVerbose},
    {"activated-fd", required_argument, nullptr, kActivatedFd},
    {"out-fd", required_argument, nullptr, kOutFd},
    {"blob-to", required_argument, nullptr, kBlobTo},
    {"lookups-fd", required_argument, nullptr, kLookupsFd},
    {"fallback", no_argument, nullptr, kFallback},
    {"warning", required_argument, nullptr, kWarning},
    {"generation", required_argument, nullptr, kGeneration},
    {"unprivileged", required_argument, nullptr, kUnprivileged},
    {"list-lookups", no_argument, nullptr, kListLookups},
    {"list-commands", no_argument, nullptr, kListCommands},
    {nullptr, 0, nullptr, 0},
};

// Comma-separated, as qemu-ga takes it; spaces around a name are dropped.
void AppendNames(std::string_view list, std::vector<std::string>& names) {
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    std::string_view name = list.substr(0, comma);
    while (name.starts_with(' ')) name.remove_prefix(1);
    while (name.ends_with(' ')) name.remove_suffix(1);
    if (!name.empty()) names.emplace_back(name);
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
}

template <typename T>
Status ReadNumber(const char* option, std::string_view text, T& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size() && number >= 0) return {};
  return Fail(Code::kInvalidArgument, std::string(option) + " takes a number, not '" + std::string(text) + "'");
}

Status Take(int option, const std::string& value, Options& options) {
  config::CommandLine& line = options.command_line;
  switch (option) {
    case kPolicy:
      options.policy = value;
      break;
    case kVendorPolicy:
      options.vendor_policy_directory = value;
      break;
    case kEtc:
      options.etc_directory = value;
      break;
    case kPluginDirectory:
      options.plugin_directories.push_back(value);
      break;
    case kProfiles:
      options.profiles_directory = value;
      break;
    case kMethod:
      line.method = value;
      break;
    case kPath:
      line.path = value;
      break;
    case kRunDirectory:
      line.run_directory = value;
      break;
    case kBlock:
      AppendNames(value, line.blocked_commands);
      break;
    case kAllow:
      AppendNames(value, line.allowed_commands);
      break;
    case kLogFile:
      line.log_file = value;
      break;
    case kFsfreezeHook:
      line.fsfreeze_hook = value;
      break;
    case kOsRelease:
      line.os_release = value;
      break;
    case kVerbose:
      line.is_verbose = true;
      break;
    case kActivatedFd:
      return ReadNumber("--activated-fd", value, line.activated_fd.emplace());
    case kOutFd:
      return ReadNumber("--out-fd", value, options.out_fd);
    case kBlobTo:
      options.blob_path = value;
      break;
    case kLookupsFd:
      return ReadNumber("--lookups-fd", value, options.lookups_fd);
    case kFallback:
      options.is_fallback = true;
      break;
    case kWarning:
      options.warnings.push_back(value);
      break;
    case kGeneration:
      return ReadNumber("--generation", value, line.generation);
    case kUnprivileged:
      // Asked now: once confined, this process may not.
      line.ordinary_user = policy::RunAs{.name = "uid " + std::to_string(::geteuid()),
                                         .uid = ::geteuid(),
                                         .gid = ::getegid(),
                                         .groups = {},
                                         .home = value};
      break;
    case kListLookups:
      options.task = Task::kListLookups;
      break;
    case kListCommands:
      options.task = Task::kListCommands;
      break;
    default:
      return Fail(Code::kInvalidArgument, "unknown option");
  }
  return {};
}

// Landlock and messages want paths that do not depend on where we stand.
void MakeAbsolute(std::string& path) {
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(path, error);
  if (!error) path = absolute.lexically_normal().string();
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
}

Status Complete(Options& options) {
  if (options.profiles_directory.empty()) options.profiles_directory = REEVE_DATA_DIRECTORY "/profiles";
  std::error_code error;
  options.helper_directory = std::filesystem::read_symlink("/proc/self/exe", error).parent_path().string();
  if (options.plugin_directories.empty()) options.plugin_directories.emplace_back(REEVE_PLUGIN_DIRECTORY);
  MakeAbsolute(options.profiles_directory);
  MakeAbsolute(options.etc_directory);
  MakeAbsolute(options.command_line.run_directory);
  if (!options.vendor_policy_directory.empty()) MakeAbsolute(options.vendor_policy_directory);
  for (std::string& directory : options.plugin_directories) MakeAbsolute(directory);
  const bool has_output = options.out_fd >= 0 || !options.blob_path.empty();
  if (options.task == Task::kCompile && !has_output)
    return Fail(Code::kInvalidArgument, "--out-fd or --blob-to is needed");
  return {};
}

}  // namespace

Result<Options> ParseOptions(int argc, char** argv) {
  Options options;
  optind = 0;  // getopt_long(3): also resets what an earlier call left
  for (int option; (option = getopt_long(argc, argv, "", kOptions, nullptr)) != -1;) {
    REEVE_TRY(Take(option, optarg == nullptr ? "" : optarg, options));
  }
  if (optind != argc) return Fail(Code::kInvalidArgument, std::string("'") + argv[optind] + "' is no option");
  REEVE_TRY(Complete(options));
  return options;
}

}  // namespace reeve::compile
