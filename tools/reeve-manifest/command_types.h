#pragma once

#include <expected>
#include <string>

#include "agent/config/manifest.h"

namespace reeve::manifest_tool {

// NAME_commands.hpp: a C++17 struct for each command and each type of a manifest, read and written by reeve/typed.hpp, in the
// namespace NAME_manifest. Fails, with a line for people, on names that come to one identifier.
std::expected<std::string, std::string> CommandTypes(const config::Manifest& manifest);

}  // namespace reeve::manifest_tool
