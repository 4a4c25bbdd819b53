#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>

#include "base/unique_fd.h"

namespace reeve {

// What the kernel recorded of a process that a filter killed (`type=1326`).
struct KillRecord {
  int64_t number = 0;
  uint32_t architecture = 0;
};

// Listens to the kernel's audit records: the multicast group, which is not rate-limited as the kernel log is,
// or else /dev/kmsg. Neither is there on a kernel without audit, or without the right to listen.
class KillRecords {
 public:
  KillRecords();
  bool is_listening() const { return audit_.is_open() || kernel_log_.is_open(); }
  // Waits up to two seconds: the record is handed on by a kernel thread.
  std::optional<KillRecord> Find(pid_t pid);

 private:
  void Take();
  UniqueFd audit_;
  UniqueFd kernel_log_;
  std::map<pid_t, KillRecord> found_;
};

}  // namespace reeve
