#pragma once

// For our own mistakes only: a claim about this program that holds whatever comes from outside. Input never meets it.
// Writes the claim and its place to standard error and ends the process by SIGABRT.
#define REEVE_CHECK(claim) ((claim) ? static_cast<void>(0) : ::reeve::check_internal::Die(#claim, __FILE__, __LINE__))

namespace reeve::check_internal {
[[noreturn]] void Die(const char* claim, const char* file, int line);
}
