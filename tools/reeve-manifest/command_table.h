#pragma once

#include <string>
#include <string_view>

#include "agent/config/manifest.h"

namespace reeve::manifest_tool {

// NAME_commands.h: the names and numbers of a plugin's commands in C (plugin-api/MANIFEST.md).
std::string CommandTable(const config::Manifest& manifest);

// The plugin's name as an identifier.
std::string Identifier(std::string name);

}  // namespace reeve::manifest_tool
