#include "plugins/file/file_plugin.h"

using reeve::file::FilePlugin;

REEVE_PLUGIN(FilePlugin, file_manifest::Manifest, &FilePlugin::Open, &FilePlugin::Close, &FilePlugin::Read,
             &FilePlugin::Write, &FilePlugin::Seek, &FilePlugin::Flush)
