#include "plugins/system/system_plugin.h"

using reeve::system::SystemPlugin;

REEVE_PLUGIN(SystemPlugin, system_manifest::Manifest, &SystemPlugin::Shutdown, &SystemPlugin::SuspendDisk,
             &SystemPlugin::SuspendRam, &SystemPlugin::SuspendHybrid, &SystemPlugin::SetTime, &SystemPlugin::SetVcpus,
             &SystemPlugin::SetMemoryBlocks)
