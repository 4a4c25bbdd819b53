#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

// A file system tree that holds a handful of files and nothing else.

namespace reeve::sandbox {

enum class MountAccess : uint8_t { kRead, kReadExecute, kReadWrite };

// Files and directories that were taken out of the present mount namespace and will stand in another tree.
// Taking comes before unshare: the kernel binds nothing that belongs to another namespace, and a descriptor
// that the warden opened belongs to the warden's.
class TakenMounts {
 public:
  // `target` is absolute, without `.` or `..`. What the path or descriptor names now is what will stand
  // there.
  Status Take(const std::string& path, const std::string& target, MountAccess access);
  Status TakeFd(int fd, const std::string& target, MountAccess access);  // fd is lent

  // An empty tmpfs becomes the root, holds what was taken and is made read-only; the old tree is gone. Needs
  // a mount namespace of its own, private. The working directory is the new root.
  Status PivotInto() &&;
  // What was taken is mounted over an empty tmpfs at `directory` (targets count from there).
  Status MountAt(const std::string& directory) &&;

 private:
  struct Taken {
    UniqueFd tree;  // a detached mount
    std::string target;
    bool is_directory = false;
  };
  Status Place(const std::string& root);
  std::vector<Taken> taken_;
};

}  // namespace reeve::sandbox
