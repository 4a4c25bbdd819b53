#include "plugins/inventory/inventory_plugin.h"

using reeve::inventory::InventoryPlugin;

REEVE_PLUGIN(InventoryPlugin, inventory_manifest::Manifest, &InventoryPlugin::GetOsinfo, &InventoryPlugin::GetHostName,
             &InventoryPlugin::GetTime, &InventoryPlugin::GetTimezone, &InventoryPlugin::GetUsers,
             &InventoryPlugin::GetInterfaces, &InventoryPlugin::GetRoutes, &InventoryPlugin::GetVcpus,
             &InventoryPlugin::GetMemoryBlocks, &InventoryPlugin::GetMemoryBlockInfo, &InventoryPlugin::GetLoad,
             &InventoryPlugin::GetCpustats, &InventoryPlugin::GetDiskstats, &InventoryPlugin::GetDevices,
             &InventoryPlugin::GetDisks, &InventoryPlugin::GetFsinfo, &InventoryPlugin::Memory,
             &InventoryPlugin::Metrics, &InventoryPlugin::ListPackages, &InventoryPlugin::ListServices,
             &InventoryPlugin::ListContainers)
