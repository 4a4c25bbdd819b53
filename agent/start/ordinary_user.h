#pragma once

#include <functional>
#include <string>

#include "agent/start/options.h"
#include "base/result.h"

// `--unprivileged`: an ordinary user serves with what takes no root.

namespace reeve::start {

// A variable of the environment, or "".
using EnvironmentReader = std::function<std::string(const char* name)>;

// Fails when `options` do not fit `uid`, the one who runs this: root with --unprivileged, an ordinary user without.
// For an ordinary user, directories that the options leave at root's defaults become the user's own: $XDG_RUNTIME_DIR/reeve,
// and $XDG_STATE_HOME/reeve or $HOME/.local/state/reeve.
Status SettleUser(uint32_t uid, const EnvironmentReader& environment, Options& options);

}  // namespace reeve::start
