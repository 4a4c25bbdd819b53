#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "helpers/user_lookup.h"

// What a helper takes from itself before it reads what the host sent. One thread.

namespace reeve::helpers {

// No debugger and no other process of its user sees what this process holds; and there is no core dump, neither a file nor one for a
// collector, also of what it becomes by exec.
Status HideMemory();

// Becomes that user for good: identity, groups, no capability, no new privileges; what he makes is for him alone (umask 077).
// Nobody of that user can look into or debug this process.
Status BecomeOnly(const User& user);

// The filter of ShutIn, which takes its time to compile and needs nothing to be open.
Result<std::vector<uint8_t>> CompileShutInFilter();

// After that: reads and changes nothing but what is beneath `directory_fd` (-1: nothing at all), by Landlock where the kernel has
// it, and makes no system call but those that this takes, by the filter: no process, no socket, no other identity. What is open
// stays so.
Status ShutIn(int directory_fd, std::span<const uint8_t> filter);

}  // namespace reeve::helpers
