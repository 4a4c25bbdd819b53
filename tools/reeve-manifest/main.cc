#include <fcntl.h>

#include <cstdio>
#include <string>
#include <vector>

#include "agent/config/manifest.h"
#include "base/json_writer.h"
#include "base/log.h"
#include "base/sys.h"
#include "policy/yaml_reader.h"
#include "tools/reeve-manifest/command_table.h"
#include "tools/reeve-manifest/command_types.h"

// reeve-manifest: checks the manifest of a plugin, and makes from it what the plugin compiles. Part of the SDK.

namespace reeve::manifest_tool {
namespace {

constexpr char kUsage[] =
    "usage: reeve-manifest check [--json] FILE...    whether they are good, and where what is wrong stands\n"
    "       reeve-manifest table FILE OUTPUT         NAME_commands.h, the commands in C\n"
    "       reeve-manifest types FILE OUTPUT         NAME_commands.hpp, the commands and their arguments in C++\n"
    "FILE is NAME.plugin.yaml. Exit codes: 0 done, 1 a manifest is bad, 2 wrong usage, or a file that cannot be read "
    "or written.\n";
constexpr int kBad = 1;
constexpr int kCannot = 2;

using Parsed = std::expected<config::Manifest, policy::Diagnostics>;

Result<Parsed> Read(const std::string& file) {
  const std::string text = REEVE_TRY(sys::ReadFile(file, policy::kMaxYamlBytes));
  return config::ParseManifest(file, text);
}

void PrintAsJson(const policy::Diagnostics& problems) {
  std::string line = "[";
  for (const policy::Diagnostic& problem : problems) {
    line += line.size() == 1 ? "{\"file\": " : ", {\"file\": ";
    json::AppendString(line, problem.file);
    line += ", \"line\": " + std::to_string(problem.line) + ", \"column\": " + std::to_string(problem.column) +
            ", \"message\": ";
    json::AppendString(line, problem.message);
    line += "}";
  }
  std::printf("%s]\n", line.c_str());
}

void Print(const policy::Diagnostics& problems) {
  for (const policy::Diagnostic& problem : problems) std::fprintf(stderr, "%s\n", problem.ToString().c_str());
}

int Cannot(const Error& error) {
  LogError(error.message());
  return kCannot;
}

// What the compilers would refuse counts too, so that the check says it first.
policy::Diagnostics ProblemsOf(const std::string& file, const Parsed& parsed) {
  if (!parsed) return parsed.error();
  const auto types = CommandTypes(*parsed);
  if (types) return {};
  return {{.file = file, .line = 1, .column = 1, .message = types.error()}};
}

int Check(const std::vector<std::string>& files, bool is_json) {
  policy::Diagnostics problems;
  for (const std::string& file : files) {
    const Result<Parsed> parsed = Read(file);
    if (!parsed) return Cannot(parsed.error());
    for (policy::Diagnostic& problem : ProblemsOf(file, *parsed)) problems.push_back(std::move(problem));
  }
  is_json ? PrintAsJson(problems) : Print(problems);
  return problems.empty() ? 0 : kBad;
}

int Make(const std::string& file, const std::string& output, bool is_cpp) {
  const Result<Parsed> parsed = Read(file);
  if (!parsed) return Cannot(parsed.error());
  const policy::Diagnostics problems = ProblemsOf(file, *parsed);
  if (!problems.empty()) return Print(problems), kBad;
  const std::string text = is_cpp ? *CommandTypes(**parsed) : CommandTable(**parsed);
  const Result<UniqueFd> fd = sys::Open(output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (!fd) return Cannot(fd.error());
  const Status written = sys::WriteAll(fd->get(), AsBytes(text));
  return written ? 0 : Cannot(written.error());
}

int Main(std::vector<std::string> words) {
  const bool is_json = words.size() > 1 && words[1] == "--json";
  if (is_json) words.erase(words.begin() + 1);
  const std::string verb = words.empty() ? "" : words[0];
  if (verb == "check" && words.size() > 1) return Check({words.begin() + 1, words.end()}, is_json);
  if ((verb == "table" || verb == "types") && words.size() == 3 && !is_json) {
    return Make(words[1], words[2], verb == "types");
  }
  const bool is_help = verb == "--help" || verb == "-h";
  std::fputs(kUsage, is_help ? stdout : stderr);
  return is_help ? 0 : kCannot;
}

}  // namespace
}  // namespace reeve::manifest_tool

int main(int argc, char** argv) {
  reeve::SetLogProcess("reeve-manifest");
  return reeve::manifest_tool::Main({argv + 1, argv + argc});
}
