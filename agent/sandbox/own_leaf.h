#pragma once

#include <string>
#include <utility>

#include "agent/sandbox/cgroup.h"
#include "base/result.h"

namespace reeve::sandbox {

// This process moved into a leaf of its own below the group in which it stood, so that the leaves beside it can have limits:
// a group that hands controllers to its children may hold no process itself (cgroup v2, "no internal processes"). What it
// forks from then on begins there too. Undone when destroyed, as far as it can be: whoever starts the next process in that
// group must be let in.
class OwnLeaf {
 public:
  // Fails with kUnsupported, and changes nothing, where the group does not offer memory and pids or has other processes in
  // it, which are not ours to move; so does any other failure.
  static Result<OwnLeaf> Enter(const CgroupTree& tree);
  OwnLeaf(OwnLeaf&& other) noexcept : tree_(std::exchange(other.tree_, "")) {}
  OwnLeaf& operator=(OwnLeaf&&) = delete;
  ~OwnLeaf();

 private:
  explicit OwnLeaf(std::string tree) : tree_(std::move(tree)) {}
  std::string tree_;  // empty: moved from
};

}  // namespace reeve::sandbox
