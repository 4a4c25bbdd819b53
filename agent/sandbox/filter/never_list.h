#pragma once

#include <span>
#include <vector>

#include "agent/sandbox/filter/filter_table.h"

// What is dangerous whoever asks.

namespace reeve::sandbox {

// Calls that no policy can grant to a process of ours. Single exceptions are compiled in with a promise of a
// built-in plugin.
std::span<const char* const> NeverList();

// What a program of the profile `service` is refused, with EPERM: an allow-list would break programs that are
// not ours.
std::vector<CallRule> ServiceRefusals();

}  // namespace reeve::sandbox
