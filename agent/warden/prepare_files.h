#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "agent/warden/request_children.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace reeve::warden {

// Handle numbers of one file worker; a worker that is started again gets the next block, so no number is used twice.
inline constexpr uint64_t kHandleBlock = 65536;
inline constexpr uint64_t kFirstHandle = 1000;  // qemu-ga's

// The files that a process of ours is started from; an empty path is not wanted.
struct WantedFiles {
  std::string binary;
  std::string plugin;
  std::string handle_file;  // qga.state: a block of handle numbers is reserved there
  std::string log_file;     // opened for appending, made if it is missing
  std::string audit_file;
};

struct PreparedFiles {
  UniqueFd binary;
  UniqueFd plugin;
  UniqueFd log_file;
  UniqueFd audit_file;
  uint64_t handle_base = 0;
};

// Opens, checks and reserves in a child, since all of it may sleep on a file system.
void PrepareFiles(RequestChildren& children, const WantedFiles& wanted,
                  std::function<void(Result<PreparedFiles>)> on_prepared);

// In the child: takes the next block out of the key-file at `path` ([global] fd_counter, as qemu-ga writes it) and replaces
// it whole. A missing file begins at kFirstHandle; one that cannot be read is an error, as a number might be used again.
Result<uint64_t> ReserveHandleBlock(const std::string& path);

}  // namespace reeve::warden
