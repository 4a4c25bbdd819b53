#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>

#include "base/result.h"
#include "base/unique_fd.h"

// Control groups, version 2: one leaf a program, so that all of its descendants can be ended at once, also
// those that became daemons. Works on a tree without any controller. Not thread-safe.

namespace reeve::sandbox {

struct CgroupLimits {
  uint64_t memory_bytes = 0;  // 0: none
  uint64_t tasks = 0;
};

// One leaf. Removed when destroyed if it is empty by then; else it is left for RemoveStaleLeaves.
class Cgroup {
 public:
  Cgroup(Cgroup&&) noexcept = default;
  Cgroup& operator=(Cgroup&& other) noexcept;
  ~Cgroup();

  // For clone3's CLONE_INTO_CGROUP. Lent.
  int fd() const { return directory_.get(); }
  // Moves a process that stands elsewhere; its children so far stay where they are.
  Status Add(pid_t pid);
  // SIGKILL to every member, however they forked (cgroup.kill, Linux 5.14; before: one by one until none is
  // left).
  Status KillAll();
  Result<bool> IsEmpty() const;
  // For all members together, swap included. Fails with kNotFound where the group above does not hand out the controllers
  // (OwnLeaf). What could be set is.
  Status SetLimits(const CgroupLimits& limits);
  // Fails with kUnavailable while it has members (killed ones included until they are reaped).
  Status Remove();

 private:
  friend class CgroupTree;
  Cgroup(std::string path, UniqueFd directory) : path_(std::move(path)), directory_(std::move(directory)) {}
  std::string path_;
  UniqueFd directory_;
};

class CgroupTree {
 public:
  // The part of the machine's version 2 tree in which this process stands. kUnsupported when there is none or
  // it is not writable.
  static Result<CgroupTree> Find();
  // `name` is unique among the caller's leaves and a plain file name.
  Result<Cgroup> MakeLeaf(const std::string& name) const;
  // Leaves of an earlier run whose names begin with `prefix`: their members are killed, and the leaves removed as soon as
  // those have ended; what has not within kStalePatience (it sleeps in the kernel) is left. Waits: only at start.
  static constexpr std::chrono::seconds kStalePatience{1};
  void RemoveStaleLeaves(const std::string& prefix) const;
  const std::string& path() const { return path_; }

 private:
  explicit CgroupTree(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace reeve::sandbox
