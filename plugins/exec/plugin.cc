#include "plugins/exec/exec_plugin.h"

namespace {

using reeve::exec::ExecPlugin;

const reeve::plugin::Command<ExecPlugin> kCommands[] = {
    {"guest-exec-status", &ExecPlugin::ExecStatus},
    {"guest-exec", &ExecPlugin::Exec},
    {"exec-run", &ExecPlugin::ExecRun},
    {"exec-kill", &ExecPlugin::ExecKill},
};

}  // namespace

REEVE_PLUGIN_BY_HAND(ExecPlugin,
                     (reeve::plugin::Identity{"org.reeve.exec", "0.1.0", "Reeve", "Apache-2.0",
                                              ExecPlugin::kMaxConcurrency}),
                     kCommands)
