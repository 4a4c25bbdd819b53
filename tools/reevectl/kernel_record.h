#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// What the kernel's log says of a process that its filter killed: the number of the system call, which the agent itself
// cannot learn. The log is limited in rate and in length, so a record may be missing.

namespace reeve::reevectl {

struct KillRecord {
  std::chrono::microseconds at{0};  // since the machine's start
  uint32_t uid = 0;
  uint32_t pid = 0;
  int64_t system_call = -1;
};

// One record of /dev/kmsg. Nothing: it is of something else. Pure.
std::optional<KillRecord> ParseKillRecord(std::string_view record);

// The last one of a process of `uid` that was killed about `ago` before now. Reads what the log holds, and never waits.
std::optional<KillRecord> FindKillRecord(uint32_t uid, std::chrono::seconds ago);

// "101 (ptrace)"; only the number where this build knows no name.
std::string SystemCallText(int64_t system_call);

}  // namespace reeve::reevectl
