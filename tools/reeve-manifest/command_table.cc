#include "tools/reeve-manifest/command_table.h"

namespace reeve::manifest_tool {
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

}  // namespace

std::string Identifier(std::string name) {
  for (char& c : name) c = c == '-' ? '_' : c;
  return name;
}

std::string CommandTable(const config::Manifest& manifest) {
  const std::string prefix = Constant(manifest.name) + "_";
  std::string numbers;
  std::string rows;
  for (size_t i = 0; i < manifest.commands.size(); i++) {
    const std::string constant = prefix + Constant(manifest.commands[i].name);
    numbers += "  " + constant + " = " + std::to_string(i) + ",\n";
    rows += " \\\n  X(" + constant + ", \"" + manifest.commands[i].name + "\")";
  }
  return "/* Made from " + manifest.name + config::kManifestSuffix + "; do not edit. */\n#pragma once\n\nenum " +
         Identifier(manifest.name) + "_command {\n" + numbers + "  " + prefix +
         "COMMAND_COUNT = " + std::to_string(manifest.commands.size()) + "\n};\n\n#define " + prefix + "COMMANDS(X)" +
         rows + "\n";
}

}  // namespace reeve::manifest_tool
