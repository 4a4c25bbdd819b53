#pragma once

#include <span>

#include "agent/config/command_spec.h"
#include "base/json_value.h"
#include "base/result.h"

namespace reeve::core {

// Checks the arguments of a command against what its manifest declares: all that are mandatory, none that is
// unknown, each of its type. The one error, the message of kInvalidArgument, is QAPI's text (`Parameter 'id'
// is missing`): known arguments are looked at first, in the order of the manifest, then the first unknown one
// is named. A negative integer where uint64 is declared is replaced by what it wraps to, as QAPI does.
//
// `arguments` is not trusted, `types` and `command` are: REQUIRES every index in them to be below
// types.size(), and command.arguments to be a kObject. Thread-safe.
[[nodiscard]] Status CheckArguments(std::span<const config::TypeSpec> types, const config::CommandSpec& command,
                                    json::Value& arguments);

}  // namespace reeve::core
