#include "plugins/inventory/inventory_plugin.h"
#include "plugins/inventory/testing.h"

namespace reeve::inventory {

PackageDatabases& TheFakeDatabases() {
  static PackageDatabases databases;
  return databases;
}

// The plugin on the fake machine.
class TestedPlugin : public InventoryPlugin {
 public:
  explicit TestedPlugin(plugin::Agent& agent) : InventoryPlugin(agent, TheFakeDatabases()) {}
};

}  // namespace reeve::inventory

using reeve::inventory::TestedPlugin;

REEVE_PLUGIN(TestedPlugin, inventory_manifest::Manifest, &TestedPlugin::GetOsinfo, &TestedPlugin::GetHostName,
             &TestedPlugin::GetTime, &TestedPlugin::GetTimezone, &TestedPlugin::GetUsers, &TestedPlugin::GetInterfaces,
             &TestedPlugin::GetRoutes, &TestedPlugin::GetVcpus, &TestedPlugin::GetMemoryBlocks,
             &TestedPlugin::GetMemoryBlockInfo, &TestedPlugin::GetLoad, &TestedPlugin::GetCpustats,
             &TestedPlugin::GetDiskstats, &TestedPlugin::GetDevices, &TestedPlugin::GetDisks, &TestedPlugin::GetFsinfo,
             &TestedPlugin::Memory, &TestedPlugin::Metrics, &TestedPlugin::ListPackages, &TestedPlugin::ListServices,
             &TestedPlugin::ListContainers)
