#include "plugins/inventory/inventory_plugin.h"

using reeve::inventory::InventoryPlugin;

REEVE_PLUGIN(InventoryPlugin, inventory_manifest::Manifest, &InventoryPlugin::GetOsinfo, &InventoryPlugin::GetHostName)
