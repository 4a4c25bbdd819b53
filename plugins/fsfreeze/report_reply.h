#pragma once

#include "fsfreeze_commands.hpp"
#include "plugins/fsfreeze/freeze_cycle.h"
#include "plugins/fsfreeze/settings.h"

namespace reeve::fsfreeze {

// The reply of fsfreeze-report.
fsfreeze_manifest::FreezeReport ReportReply(const FreezeCycle& cycle, const Settings& settings);
void AddLeftOut(const std::vector<LeftOutReport>& left_out, fsfreeze_manifest::FreezeReport& reply);

}  // namespace reeve::fsfreeze
