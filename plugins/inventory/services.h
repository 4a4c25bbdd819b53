#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "inventory_commands.hpp"

namespace reeve::inventory {

// The words that ask systemctl, of any version, for what ServicesIn reads. The first is the rule's name.
std::vector<std::string> ServiceQuestion();

// What `systemctl show` printed of many units: paragraphs of NAME=value. Sorted by name; of what is no service nothing.
// The text is not trusted: long members are cut. Fails with kTooLarge above kMaxServices, with kBadMessage when it is text
// that names no unit.
Result<std::vector<inventory_manifest::InventoryService>> ServicesIn(std::string_view output);

inline constexpr size_t kMaxServices = 20'000;

}  // namespace reeve::inventory
