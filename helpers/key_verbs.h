#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "helpers/user_lookup.h"

namespace reeve::helpers {

enum class KeyVerb { kGet, kAdd, kReset, kRemove };

// The verb of contract.h that is written so.
std::optional<KeyVerb> KeyVerbOf(std::string_view word);

// Becomes `user` for good, shuts itself in with `filter` (CompileShutInFilter), reads the keys from `input_fd`, and only then looks
// at the user's file: contract.h says what becomes of it. Returns what is to be said. Afterwards this process can do nothing else any
// more, whether it succeeded or not.
Result<std::string> CarryOut(KeyVerb verb, const User& user, std::span<const uint8_t> filter, int input_fd);

}  // namespace reeve::helpers
