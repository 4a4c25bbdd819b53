#pragma once

#include <cstdint>
#include <vector>

#include "agent/sandbox/filter/filter_table.h"
#include "base/result.h"
#include "policy/profile.h"

// Tables of system calls become classic BPF programs, by libseccomp, and are proven equal to their table
// before they leave here. Runs when the policy is compiled, never in the warden or a worker.

namespace reeve::sandbox {

// The program as bytes (struct sock_filter[]). Any error of the library, a name that it does not know or that
// belongs to another architecture, and any difference found by the evaluator is a failure; nothing half-built
// is returned.
Result<std::vector<uint8_t>> CompileFilter(const FilterTable& table);

// Fills load_filter and run_filter of `profile` from its role, promises and paths.
Status CompileFilters(policy::SandboxProfile& profile);

// The filter of programs that a rule confines so. Empty for `unconfined`.
Result<std::vector<uint8_t>> CompileProgramFilter(policy::Confinement confinement);

}  // namespace reeve::sandbox
