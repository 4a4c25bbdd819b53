#pragma once

#include <optional>
#include <string>

#include "agent/config/command_spec.h"
#include "agent/core/asker.h"
#include "base/json_value.h"
#include "policy/decide.h"

namespace reeve::core {

// What policy says of a command's arguments.
struct ArgumentVerdict {
  std::string refusal;  // as the host reads it, of class GenericError; empty: go on
  std::string object;   // what it is about: the program or path decided on, or what the manifest names
  std::optional<policy::Decision> decision;  // none: nothing about the arguments was asked
  // For the warden: which program or directory rule allowed it.
  uint32_t rule() const { return decision ? decision->index : policy::Decision::kNoIndex; }
  bool is_allowed() const { return refusal.empty(); }
};

// Asks policy the question that `command.check` names. REQUIRES: `arguments` passed CheckArguments. Pure; thread-safe.
ArgumentVerdict DecideArguments(const policy::Decider& decider, const Asker& asker, const config::CommandSpec& command,
                                const json::Value& arguments);

// What opening a file with that fopen(3) mode may do to it. Nothing: it is no mode that qemu-ga takes.
std::optional<policy::FileAccessMask> AccessOfMode(std::string_view mode);

}  // namespace reeve::core
