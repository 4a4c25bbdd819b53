#include "plugins/file/file_plugin.h"

namespace {

using reeve::file::FilePlugin;

const reeve::plugin::Command<FilePlugin> kCommands[] = {
    {"guest-file-open", &FilePlugin::Open}, {"guest-file-close", &FilePlugin::Close},
    {"guest-file-read", &FilePlugin::Read}, {"guest-file-write", &FilePlugin::Write},
    {"guest-file-seek", &FilePlugin::Seek}, {"guest-file-flush", &FilePlugin::Flush},
};

}  // namespace

REEVE_PLUGIN(FilePlugin,
             (reeve::plugin::Identity{"org.reeve.file", "0.1.0", "Reeve", "Apache-2.0", FilePlugin::kMaxConcurrency}),
             kCommands)
