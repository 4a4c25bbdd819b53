#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "policy/profile.h"

// Landlock: which files a process may touch, whoever it is. All that the running kernel's level can refuse is
// refused but for what was allowed; levels above kKnownLevel add rights that this file does not know and so
// cannot refuse.

namespace reeve::sandbox {

// The kernel's level, 0 if it has none.
uint32_t LandlockLevel();
inline constexpr uint32_t kKnownLevel = 7;

// What a level cannot refuse is refused elsewhere: below 3 truncate by the filter, below 4 TCP by the network
// namespace and the filter, below 5 device ioctls by the filter, below 6 abstract sockets and signals by
// namespace and filter.
class LandlockRules {
 public:
  // Refuses everything. kUnsupported on a kernel without Landlock.
  static Result<LandlockRules> Create();
  // For a program of a rule, which uses the network and signals as it likes: refuses writing only.
  static Result<LandlockRules> CreateForWriting();
  // The same beside read-only mounts, which do not hold devices and fifos. Any level will do: truncation is the mounts' part.
  static Result<LandlockRules> CreateForSpecialFiles();
  // Refuses no file. But a process under any rules reaches into none outside of them (ptrace(2), "access mode checking"), so
  // that /proc/PID/root of one in another mount namespace is no way around what is read-only here.
  static Result<LandlockRules> CreateAgainstOtherProcesses();

  // Allows `access` on a file, or beneath a directory. `fd` may be O_PATH and is only lent.
  Status Allow(int fd, policy::PathAccess access);
  // From now on and in every child. REQUIRES: no_new_privs. One thread: the others would go free.
  Status Restrict() const;

 private:
  static Result<LandlockRules> RefuseWriting(uint32_t level);
  LandlockRules(UniqueFd ruleset, uint64_t handled) : ruleset_(std::move(ruleset)), handled_(handled) {}
  UniqueFd ruleset_;
  uint64_t handled_ = 0;
};

}  // namespace reeve::sandbox
