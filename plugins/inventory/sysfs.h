#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace reeve::inventory {

// The value of an attribute, without the line end. Fails with kNotFound when there is none.
Result<std::string> ReadAttribute(const std::string& path);

// The names in a directory in the kernel's order, without those that begin with a dot. A failure is said as `deed`.
Result<std::vector<std::string>> ListDirectory(const std::string& path, const std::string& deed);

// The number in `cpu12` when `prefix` is `cpu`; nothing for any other name.
std::optional<uint64_t> NumberBehind(std::string_view prefix, std::string_view name);

}  // namespace reeve::inventory
