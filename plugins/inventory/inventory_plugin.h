#pragma once

#include "inventory_commands.hpp"
#include "plugins/inventory/system_names.h"
#include "reeve/plugin.hpp"

namespace reeve::inventory {

// The getters. Each reads what its topic's files read, and says it in qemu-ga's words.
class InventoryPlugin : public plugin::Plugin {
 public:
  using Plugin::Plugin;

  void GetOsinfo(const Request& request, const inventory_manifest::GuestGetOsinfo& arguments, Reply& reply);
  void GetHostName(const Request& request, const inventory_manifest::GuestGetHostName& arguments, Reply& reply);

 private:
  OsReleaseFile os_release_;
};

}  // namespace reeve::inventory
