#pragma once

#include "agent/config/manifest.h"
#include "policy/schema_reader.h"

namespace reeve::config {

// `sandbox:` of the manifest of the plugin `id`. For agent/config/manifest.cc only.
SandboxRequest ReadSandboxRequest(policy::SchemaReader& reader, const policy::YamlNode& node, const std::string& id);

}  // namespace reeve::config
