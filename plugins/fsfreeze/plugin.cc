#include "fsfreeze_commands.hpp"
#include "plugins/fsfreeze/fsfreeze_plugin.h"

using reeve::fsfreeze::FsfreezePlugin;

REEVE_PLUGIN(FsfreezePlugin, fsfreeze_manifest::Manifest, &FsfreezePlugin::Status, &FsfreezePlugin::Freeze,
             &FsfreezePlugin::FreezeList, &FsfreezePlugin::FreezeDisks, &FsfreezePlugin::Thaw, &FsfreezePlugin::Trim,
             &FsfreezePlugin::Report, &FsfreezePlugin::Renew)
