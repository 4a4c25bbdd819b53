#pragma once

#include <string_view>

namespace reeve::exec {

// The number of a signal of the manifest's ExecSignal, as "TERM". REQUIRES: it is one of those.
int SignalOfName(std::string_view name);

}  // namespace reeve::exec
