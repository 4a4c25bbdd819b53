#pragma once

#include "plugins/exec/exec_record.h"
#include "reeve/plugin.hpp"

namespace reeve::exec {

// Writes GuestExecStatus for a finished program to `reply`, output as base64 without a copy of it; the reply
// stays to be finished. False: it takes no more.
[[nodiscard]] bool WriteFinishedStatus(const ExecRecord& record, plugin::Reply& reply);

// The same for exec-run, with `timed-out`; of a program that could not be ended, what there is by now.
[[nodiscard]] bool WriteRunReply(const ExecRecord& record, bool has_timed_out, plugin::Reply& reply);

}  // namespace reeve::exec
