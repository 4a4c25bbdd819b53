#include "exec_commands.hpp"
#include "plugins/exec/exec_plugin.h"

using reeve::exec::ExecPlugin;
using reeve::plugin::kUntyped;

REEVE_PLUGIN(ExecPlugin, exec_manifest::Manifest, kUntyped<exec_manifest::GuestExecStatus, &ExecPlugin::ExecStatus>,
             kUntyped<exec_manifest::GuestExec, &ExecPlugin::Exec>,
             kUntyped<exec_manifest::ExecRun, &ExecPlugin::ExecRun>,
             kUntyped<exec_manifest::ExecKill, &ExecPlugin::ExecKill>)
