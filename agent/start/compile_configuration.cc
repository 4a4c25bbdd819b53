#include "agent/start/compile_configuration.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <ranges>
#include <utility>

#include "agent/config/blob.h"
#include "agent/start/run_and_wait.h"
#include "agent/warden/trusted_file.h"
#include "agent/wire/start_record.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/sys.h"

namespace reeve::start {
namespace {

using Arguments = std::vector<std::string>;

// Filters are compiled and proven in this time too; a second on a slow machine.
constexpr std::chrono::seconds kCompileTimeout{30};
// A directory server that does not answer.
constexpr std::chrono::seconds kResolveTimeout{6};

void LogLines(const std::string& lines) {
  for (size_t begin = 0; begin < lines.size();) {
    const size_t end = std::min(lines.find('\n', begin), lines.size());
    if (end > begin) LogError(lines.substr(begin, end - begin));
    begin = end + 1;
  }
}

std::string FirstLine(const std::string& lines) {
  return lines.substr(0, lines.find('\n'));
}

Result<EndedRun> RunCompile(const Layout& layout, Arguments arguments, const Arguments& more,
                            const std::vector<int>& kept_fds) {
  arguments.insert(arguments.end(), more.begin(), more.end());
  EndedRun result = REEVE_TRY(RunAndWait({.path = layout.binaries + "/reeve-compile",
                                          .args = std::move(arguments),
                                          .input = "",
                                          .kept_fds = kept_fds,
                                          .timeout = kCompileTimeout}));
  LogLines(result.complaints);
  if (result.wait_status == 0) return result;
  if (!WIFEXITED(result.wait_status)) return Fail(Code::kSystem, "reeve-compile was killed");
  return Fail(Code::kInvalidArgument,
              result.complaints.empty() ? "reeve-compile failed" : FirstLine(result.complaints));
}

// Who does not answer leaves the names unresolved; reeve-compile says which rules that hits.
std::string Resolve(const Layout& layout, const std::string& lines) {
  if (lines.empty()) return "";
  const Result<EndedRun> resolved = RunAndWait({.path = layout.binaries + "/reeve-resolve",
                                                .args = {},
                                                .input = lines,
                                                .kept_fds = {},
                                                .timeout = kResolveTimeout});
  if (resolved && resolved->wait_status == 0) return resolved->output;
  LogError("users are not resolved: " + (resolved ? "reeve-resolve failed" : resolved.error().message()));
  return "";
}

Result<Compiled> ReadBack(Bytes bytes) {
  UniqueFd blob = REEVE_TRY(config::ToSealedFile(bytes));
  config::Config config = REEVE_TRY(config::FromSealedFile(blob.get()));
  return Compiled{.config = std::move(config), .blob = std::move(blob), .note = ""};
}

Result<std::string> CompileBlob(const Layout& layout, const Arguments& arguments, const Arguments& more) {
  Arguments listing = more;
  listing.push_back("--list-lookups");
  const EndedRun lookups = REEVE_TRY(RunCompile(layout, arguments, listing, {}));
  const std::string answers = Resolve(layout, lookups.output);

  const UniqueFd out = REEVE_TRY(sys::MemoryFile("reeve-blob", 0));
  const UniqueFd in = REEVE_TRY(sys::MemoryFileOf("reeve-lookups", answers));
  Arguments writing = more;
  writing.insert(writing.end(), {"--out-fd=" + std::to_string(out.get()), "--lookups-fd=" + std::to_string(in.get())});
  REEVE_TRY(RunCompile(layout, arguments, writing, {out.get(), in.get()}));
  return sys::ReadFromStart(out.get(), config::kMaxBlobBytes);
}

// The key of the last good one: whatever leads to another configuration leads to another name.
std::string LastGoodPath(const Options& options, const Arguments& arguments) {
  std::string all;
  for (const std::string& argument : arguments) (all += argument) += '\0';
  char name[32];
  std::snprintf(name, sizeof name, "/last-good-%016" PRIx64, DigestOf(AsBytes(all)));
  return options.state_directory + name;
}

Status SaveLastGood(const Options& options, const Arguments& arguments, const std::string& blob) {
  if (::mkdir(options.state_directory.c_str(), 0700) != 0 && errno != EEXIST)
    return FailErrno("make directory " + options.state_directory);
  return sys::ReplaceFile(LastGoodPath(options, arguments), 0600, AsBytes(blob));
}

Result<Compiled> ReadLastGood(const Options& options, const Arguments& arguments) {
  const std::string path = LastGoodPath(options, arguments);
  const UniqueFd file = REEVE_TRY(warden::OpenTrustedFile(path));
  const std::string blob = REEVE_TRY(sys::ReadToEnd(file.get(), config::kMaxBlobBytes));
  Result<Compiled> compiled = ReadBack(AsBytes(blob));
  if (!compiled) return Fail(compiled.error().Within(path));
  return compiled;
}

Result<Compiled> CompileFallback(const Layout& layout, const Arguments& arguments, const Error& why) {
  const std::string warning =
      "the configuration is not as its files say, and only what profile 'minimal' allows is allowed: " + why.message();
  LogError(warning);
  const std::string blob = REEVE_TRY(CompileBlob(layout, arguments, {"--fallback", "--warning=" + warning}));
  Compiled compiled = REEVE_TRY(ReadBack(AsBytes(blob)));
  compiled.note = warning;
  return compiled;
}

}  // namespace

std::vector<std::string> CompileArguments(const Options& options, const Layout& layout, int activated_count) {
  Arguments arguments{"--etc=" + options.etc_directory, "--profiles=" + layout.profiles,
                      "--vendor-policy=" + layout.policies,
                      "--plugin-dir=" + (options.plugin_directory.empty() ? layout.plugins : options.plugin_directory),
                      "--run-directory=" + options.run_directory};
  const auto add = [&arguments](const char* name, const std::string& value) {
    if (!value.empty()) arguments.push_back(std::string(name) + "=" + value);
  };
  add("--policy", options.policy);
  if (options.names_channel) {
    add("--method", options.method);
    add("--path", options.path);
  }
  add("--log-file", options.log_file.value_or(""));
  add("--fsfreeze-hook", options.fsfreeze_hook.value_or(""));
  add("--os-release", options.os_release);
  // In the order in which a list was written.
  for (const std::string& command : std::views::reverse(options.blocked_commands)) add("--block-rpcs", command);
  for (const std::string& command : std::views::reverse(options.allowed_commands)) add("--allow-rpcs", command);
  if (options.is_verbose) arguments.emplace_back("--verbose");
  if (options.is_unprivileged) arguments.push_back("--unprivileged=" + options.home);
  if (activated_count > 0) add("--activated-fd", std::to_string(wire::kFirstListenerFd));
  return arguments;
}

Result<Compiled> CompileConfiguration(const Options& options, const Layout& layout, int activated_count) {
  const Arguments arguments = CompileArguments(options, layout, activated_count);
  const Result<std::string> blob = CompileBlob(layout, arguments, {});
  Result<Compiled> compiled = blob ? ReadBack(AsBytes(*blob)) : Result<Compiled>(Fail(blob.error()));
  const bool keeps_last_good = options.policy.empty();
  if (compiled) {
    const Status saved = keeps_last_good ? SaveLastGood(options, arguments, *blob) : Status();
    if (!saved) LogWarning("the configuration is not kept for a worse day: " + saved.error().message());
    return compiled;
  }
  if (keeps_last_good) {
    Result<Compiled> last_good = ReadLastGood(options, arguments);
    if (last_good) {
      last_good->note = "the last good configuration stays in force: " + compiled.error().message();
      LogError(last_good->note);
      return last_good;
    }
    if (last_good.error().code() != Code::kNotFound) LogError(last_good.error().message());
  }
  return CompileFallback(layout, arguments, compiled.error());
}

Result<std::string> ListCommands(const Options& options, const Layout& layout) {
  return REEVE_TRY(RunCompile(layout, CompileArguments(options, layout, 0), {"--list-commands"}, {})).output;
}

}  // namespace reeve::start
