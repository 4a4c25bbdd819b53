#pragma once

#include "agent/sandbox/filter/filter_table.h"
#include "policy/profile.h"

// Which system calls the programs of rules may make, by their confinement. Programs are not ours and do what they like, so
// most tables refuse what is dangerous and allow the rest; only `sandboxed` has a list of what is allowed. A refusal is an
// error, never the end of the program, but for calls of another architecture.

namespace reeve::sandbox {

// REQUIRES: not kUnconfined, which has none.
FilterTable ProgramTable(policy::Confinement confinement);

// Whether no table of programs may allow this call.
bool NeverForPrograms(const char* name);

}  // namespace reeve::sandbox
