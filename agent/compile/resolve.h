#pragma once

#include <string>
#include <string_view>

namespace reeve::compile {

// The answers to the lines of LookupLines (lookups.h). Loads what nsswitch.conf names, and waits as long as that does.
std::string Resolve(std::string_view lines);

}  // namespace reeve::compile
