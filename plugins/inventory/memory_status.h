#pragma once

#include <optional>
#include <string_view>

#include "base/result.h"
#include "inventory_commands.hpp"

// How much memory there is and what waits for it, out of /proc.

namespace reeve::inventory {

// /proc/meminfo, all of inventory-memory but `pressure`. Of an older kernel `available` is absent.
Result<inventory_manifest::InventoryMemoryInfo> MemoryIn(std::string_view meminfo);

// A file of /proc/pressure. Nothing where the kernel counts no pressure: the text is then empty.
std::optional<inventory_manifest::InventoryPressureOf> PressureIn(std::string_view pressure);

}  // namespace reeve::inventory
