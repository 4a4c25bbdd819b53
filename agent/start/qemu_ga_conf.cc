#include "agent/start/qemu_ga_conf.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>

#include <cerrno>
#include <filesystem>

#include "agent/warden/trusted_file.h"
#include "base/key_file.h"
#include "base/sys.h"

namespace reeve::start {
namespace {

constexpr char kDefaultFile[] = "/etc/qemu/qemu-ga.conf";
constexpr char kGroup[] = "general";

// Where links lead, the whole way there written by nobody but root.
Result<std::string> TrustedPath(const std::string& path) {
  std::error_code error;
  const std::string absolute = std::filesystem::absolute(path, error).string();
  if (path.empty()) return Fail(Error::System(ENOENT, "open the empty path"));
  if (error) return Fail(Error::System(error.value(), "open " + path));
  char resolved[PATH_MAX];
  if (::realpath(absolute.c_str(), resolved) == nullptr) return FailErrno("open " + path);
  REEVE_TRY(warden::CheckWay(absolute));
  REEVE_TRY(warden::CheckWay(resolved));
  return std::string(resolved);
}

Result<std::string> ReadConfiguration(const std::string& path) {
  const std::string resolved = REEVE_TRY(TrustedPath(path));
  // A fifo without writer must not hold us; a terminal is not to be taken.
  const UniqueFd file = REEVE_TRY(sys::Open(resolved, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
  const struct stat status = REEVE_TRY(sys::Stat(file.get()));
  if (!S_ISREG(status.st_mode)) return Fail(Code::kInvalidArgument, "not a regular file");
  REEVE_TRY(warden::CheckOwnership(status, path));
  return sys::ReadToEnd(file.get(), KeyFile::kMaxBytes);
}

Status TakeText(const KeyFile& file, const char* key, std::string& into) {
  if (auto text = REEVE_TRY(file.Text(kGroup, key))) into = std::move(*text);
  return {};
}

Status TakeText(const KeyFile& file, const char* key, std::optional<std::string>& into) {
  if (auto text = REEVE_TRY(file.Text(kGroup, key))) into = std::move(text);
  return {};
}

Status TakeBool(const KeyFile& file, const char* key, bool& into) {
  if (const auto value = REEVE_TRY(file.Bool(kGroup, key))) into = *value;
  return {};
}

Status TakeNames(const KeyFile& file, const char* key, std::vector<std::string>& into) {
  if (const auto list = REEVE_TRY(file.Text(kGroup, key))) AppendNames(*list, into);
  return {};
}

std::string Joined(const std::vector<std::string>& names) {
  std::string list;
  for (size_t i = 0; i < names.size(); ++i) (i == 0 ? list : list += ',') += names[i];
  return list;
}

}  // namespace

ConfigurationFile WhichConfigurationFile(const std::optional<std::string>& option, const char* environment) {
  if (option) return {.path = *option, .is_required = true};
  if (environment != nullptr) return {.path = environment};
  return {.path = kDefaultFile};
}

Status LoadConfiguration(const ConfigurationFile& file, Options& options) {
  const Result<std::string> text = ReadConfiguration(file.path);
  if (!text && text.error().code() == Code::kNotFound && !file.is_required) return {};
  const Status applied = text ? ApplyConfiguration(*text, options) : Status(Fail(text.error()));
  if (applied) return {};
  return Fail(applied.error().code(),
              "error loading configuration from path: " + file.path + ", " + applied.error().message());
}

Status ApplyConfiguration(std::string_view text, Options& options) {
  const KeyFile file = REEVE_TRY(KeyFile::Parse(text));
  REEVE_TRY(TakeBool(file, "daemon", options.is_daemon));
  REEVE_TRY(TakeText(file, "method", options.method));
  REEVE_TRY(TakeText(file, "path", options.path));
  REEVE_TRY(TakeText(file, "logfile", options.log_file));
  REEVE_TRY(TakeText(file, "pidfile", options.pid_file));
  REEVE_TRY(TakeText(file, "fsfreeze-hook", options.fsfreeze_hook));
  REEVE_TRY(TakeText(file, "statedir", options.run_directory));
  REEVE_TRY(TakeBool(file, "verbose", options.is_verbose));
  REEVE_TRY(TakeBool(file, "retry-path", options.retries_path));
  REEVE_TRY(TakeNames(file, "blacklist", options.blocked_commands));  // as --blacklist
  REEVE_TRY(TakeNames(file, "block-rpcs", options.blocked_commands));
  return TakeNames(file, "allow-rpcs", options.allowed_commands);
}

std::string DumpConfiguration(const Options& options) {
  std::string text = "[general]\n";
  const auto add = [&text](const char* key, const std::string& value) {
    ((text += key) += '=') += KeyFileValue(value) + "\n";
  };
  const auto add_if_set = [&add](const char* key, const std::optional<std::string>& value) {
    if (value) add(key, *value);
  };
  const auto word = [](bool value) { return value ? "true" : "false"; };
  add("daemon", word(options.is_daemon));
  add("method", options.method);
  if (!options.path.empty()) add("path", options.path);
  add_if_set("logfile", options.log_file);
  add("pidfile", options.pid_file);
  add_if_set("fsfreeze-hook", options.fsfreeze_hook);
  add("statedir", options.run_directory);
  add("verbose", word(options.is_verbose));
  add("retry-path", word(options.retries_path));
  add("block-rpcs", Joined(options.blocked_commands));
  add("allow-rpcs", Joined(options.allowed_commands));
  return text;
}

}  // namespace reeve::start
