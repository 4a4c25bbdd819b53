#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "reeve/plugin.h"

// Whether a plugin is what its manifest says and what this agent can load. Pure: looks at the structs only. A plugin's
// code runs in this process already, so this guards against mistakes and old builds; against malice stands the sandbox.

namespace reeve::worker {

inline constexpr uint32_t kMaxCommands = 256;
inline constexpr uint64_t kMaxNameBytes = 128;
// wire::kMaxInFlight: more requests than this are never at one worker.
inline constexpr uint32_t kMaxConcurrency = 32;

// What the manifest says of a plugin.
struct Expected {
  std::string id;
  std::string version;
  uint32_t abi_major = 0;
  uint32_t abi_min_minor = 0;
  std::vector<std::string> commands;
};

struct Agreed {
  uint32_t abi_minor = 0;  // the smaller of both sides'
  // The manifest's i-th command is the descriptor's commands[i]. So many as Expected::commands.
  std::vector<uint32_t> commands;
};

// Fails with kUnsupported when the ABI does not fit, kInvalidArgument when the plugin is not what the manifest says or
// breaks a rule of plugin.h. The text is one for the vendor.
Result<Agreed> CheckDescriptor(const reeve_descriptor* descriptor, const Expected& expected);

// What `create` has filled; `plugin` was zeroed before, with struct_size set to sizeof.
Status CheckPlugin(const reeve_plugin& plugin);

}  // namespace reeve::worker
