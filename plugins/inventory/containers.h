#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "inventory_commands.hpp"
#include "plugins/inventory/container_rows.h"
#include "plugins/inventory/program_output.h"

namespace reeve::inventory {

struct ContainerList {
  ContainerRows rows;  // by engine, then id, then namespace: pages must fit together
  std::vector<inventory_manifest::InventoryContainerFailure> failures;
};

// Asks all engines that policy has a program for, at once. One that is not on this machine is none. At most
// kContainerQuestions programs. `on_listed` is called once, perhaps before this returns. `programs` is lent until then.
void ListContainers(ProgramReader& programs, uint64_t request_id, std::function<void(ContainerList)> on_listed);
inline constexpr size_t kContainerQuestions = 2 + 1 + 2 * kMaxNamespaces;

}  // namespace reeve::inventory
