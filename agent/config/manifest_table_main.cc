#include <cstdio>
#include <string>

#include "agent/config/manifest.h"
#include "base/log.h"
#include "base/sys.h"
#include "policy/yaml_reader.h"

// reeve-manifest-table MANIFEST OUTPUT: writes the C table of a plugin's commands from its manifest (MANIFEST.md).

namespace reeve::config {
namespace {

std::string Constant(std::string_view text) {
  std::string constant;
  for (char c : text) {
    const bool is_lower = c >= 'a' && c <= 'z';
    const bool is_kept = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (is_lower || is_kept) {
      constant += is_lower ? static_cast<char>(c - 'a' + 'A') : c;
    } else if (!constant.empty() && constant.back() != '_') {
      constant += '_';
    }
  }
  return constant;
}

std::string Identifier(std::string name) {
  for (char& c : name) c = c == '-' ? '_' : c;
  return name;
}

std::string Table(const Manifest& manifest) {
  const std::string prefix = Constant(manifest.name) + "_";
  std::string numbers;
  std::string rows;
  for (size_t i = 0; i < manifest.commands.size(); i++) {
    const std::string constant = prefix + Constant(manifest.commands[i].name);
    numbers += "  " + constant + " = " + std::to_string(i) + ",\n";
    rows += " \\\n  X(" + constant + ", \"" + manifest.commands[i].name + "\")";
  }
  return "/* Made from " + manifest.name + kManifestSuffix + "; do not edit. */\n#pragma once\n\nenum " +
         Identifier(manifest.name) + "_command {\n" + numbers + "  " + prefix +
         "COMMAND_COUNT = " + std::to_string(manifest.commands.size()) + "\n};\n\n#define " + prefix + "COMMANDS(X)" +
         rows + "\n";
}

int Run(const std::string& input, const std::string& output) {
  const Result<std::string> text = sys::ReadFile(input, policy::kMaxYamlBytes);
  if (!text) return LogError(text.error().message()), 1;
  const auto manifest = ParseManifest(input, *text);
  if (!manifest) {
    for (const policy::Diagnostic& problem : manifest.error()) std::fprintf(stderr, "%s\n", problem.ToString().c_str());
    return 1;
  }
  const Result<UniqueFd> fd = sys::Open(output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (!fd) return LogError(fd.error().message()), 1;
  const Status written = sys::WriteAll(fd->get(), AsBytes(Table(*manifest)));
  if (!written) return LogError(written.error().message()), 1;
  return 0;
}

}  // namespace
}  // namespace reeve::config

int main(int argc, char** argv) {
  reeve::SetLogProcess("reeve-manifest-table");
  if (argc != 3) {
    std::fprintf(stderr, "usage: reeve-manifest-table MANIFEST OUTPUT\n");
    return 2;
  }
  return reeve::config::Run(argv[1], argv[2]);
}
