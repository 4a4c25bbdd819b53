#pragma once

#include <cstdint>
#include <span>

#include "base/result.h"

// What a confined process does to itself, after exec. ConfineAndExec (confine_child.h) has done all that
// needs privilege before; these two close the doors that exec itself needed. Called by main, with one thread.
//
// The filters are ready-made classic BPF programs (struct sock_filter[] as bytes), compiled and proven when
// the policy was compiled; no filter library is linked. A program may hold the mark kOwnProcessMark where
// this process's own id belongs; it is written in here.

namespace reeve::sandbox {

struct SandboxEntry {
  bool locks_memory = false;             // mlockall before any filter stands (fsfreeze)
  std::span<const uint8_t> load_filter;  // empty for a role that loads nothing: no filter is installed by EnterLoad
  std::span<const uint8_t> run_filter;   // never empty
};

// Not dumpable, no ambient and no inheritable capability, no memory that is both written and executed (where
// the kernel knows how), memory locked if asked, then the load filter. After a failure the caller ends its
// process.
Status EnterLoad(const SandboxEntry& entry);

// For a role without load filter: call EnterLoad first all the same. Installs the run filter on every thread
// at once (TSYNC); from then on nothing can be opened. After a failure the caller ends its process.
Status EnterRun(const SandboxEntry& entry);

// Where a compiled filter compares with "my own process", the program compares with this number, which no
// process can have (pid_max is at most 2^22). Replaced by getpid() at installation.
inline constexpr uint32_t kOwnProcessMark = 0x7ffffff1;

}  // namespace reeve::sandbox
