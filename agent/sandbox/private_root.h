#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

// A file system tree that holds a handful of files and nothing else.

namespace reeve::sandbox {

// kDevice: a device file, to be used as such.
enum class MountAccess : uint8_t { kRead, kReadExecute, kReadWrite, kDevice };

// Files and directories that were taken out of the present mount namespace and will stand in another tree.
// Taking comes before unshare: the kernel binds nothing that belongs to another namespace, and a descriptor
// that the warden opened belongs to the warden's.
class TakenMounts {
 public:
  // `target` is absolute, without `.` or `..`. What the path or descriptor names now is what will stand
  // there.
  Status Take(const std::string& path, const std::string& target, MountAccess access);
  Status TakeFd(int fd, const std::string& target, MountAccess access);  // fd is lent

  // With all that is mounted beneath; for reading and executing.
  Status TakeTree(const std::string& path, const std::string& target);
  // What will stand there beside: an empty directory, a symbolic link that says `text`.
  void AddDirectory(const std::string& target) { directories_.push_back(target); }
  void AddLink(const std::string& text, const std::string& target) { links_.emplace_back(text, target); }

  // An empty tmpfs becomes the root, holds what was taken and is made read-only; the old tree is gone. Needs
  // a mount namespace of its own, private. The working directory is the new root.
  Status PivotInto() &&;
  // What was taken is mounted over an empty tmpfs at `directory` (targets count from there).
  Status MountAt(const std::string& directory) &&;
  // What was taken is mounted at its targets, which are there, in the present tree.
  Status MountOver() &&;

 private:
  struct Taken {
    UniqueFd tree;  // a detached mount
    std::string target;
    bool is_directory = false;
  };
  static Status Attach(const Taken& taken, const std::string& path);
  Status Place(const std::string& root);
  Status TakeMount(int fd, const std::string& target, unsigned flags, uint64_t attributes);
  std::vector<Taken> taken_;
  std::vector<std::string> directories_;
  std::vector<std::pair<std::string, std::string>> links_;
};

}  // namespace reeve::sandbox
