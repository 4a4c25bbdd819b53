#pragma once

#include "plugins/inventory/packages.h"

// The machine that the plugin of the unit tests tells of, in place of the one that they run on.

namespace reeve::inventory {

PackageDatabases& TheFakeDatabases();

}  // namespace reeve::inventory
