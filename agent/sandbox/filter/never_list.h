#pragma once

#include <span>

// What is dangerous in a process of ours.

namespace reeve::sandbox {

// Calls that no policy can grant to a process of ours. Single exceptions are compiled in with a promise of a
// built-in plugin.
std::span<const char* const> NeverList();

}  // namespace reeve::sandbox
