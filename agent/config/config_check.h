#pragma once

#include "agent/config/config.h"
#include "base/result.h"

namespace reeve::config {

// What must hold in a configuration whatever made it, so that its readers need not ask again: plugins[0] is the core's
// own, every type index is inside its table, arguments are objects, no alternate holds another, every repetition has
// one matcher, filters are whole instructions, no command stands twice. Fails with kBadMessage, naming the place.
Status Check(const Config& config);

}  // namespace reeve::config
