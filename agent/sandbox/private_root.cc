#include "agent/sandbox/private_root.h"

#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/sandbox/descriptors.h"
#include "base/sys.h"

namespace reeve::sandbox {
namespace {

// Room for directories and empty files to mount on; every file itself is a bind.
constexpr const char* kRootOptions = "size=256k,nr_inodes=1024,mode=0755";
// A directory that every machine has, hidden for the moment between mount and pivot.
constexpr const char* kAnyDirectory = "/usr";

Status SetAttributes(int fd, const char* path, unsigned flags, uint64_t attributes) {
  mount_attr wanted{};
  wanted.attr_set = attributes;
  if (::mount_setattr(fd, path, flags, &wanted, sizeof wanted) < 0) return FailErrno("set mount attributes");
  return {};
}

uint64_t AttributesFor(MountAccess access) {
  if (access == MountAccess::kDevice) return MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;
  uint64_t attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
  if (access != MountAccess::kReadWrite) attributes |= MOUNT_ATTR_RDONLY;
  if (access != MountAccess::kReadExecute) attributes |= MOUNT_ATTR_NOEXEC;
  return attributes;
}

Status MakeParents(const std::string& root, const std::string& target) {
  for (size_t slash = target.find('/', 1); slash != std::string::npos; slash = target.find('/', slash + 1)) {
    const std::string directory = root + target.substr(0, slash);
    if (::mkdir(directory.c_str(), 0755) < 0 && errno != EEXIST) return FailErrno("make " + directory);
  }
  return {};
}

Status MakeMountPoint(const std::string& path, bool is_directory) {
  if (is_directory) {
    if (::mkdir(path.c_str(), 0755) < 0 && errno != EEXIST) return FailErrno("make " + path);
    return {};
  }
  REEVE_TRY(sys::Open(path, O_WRONLY | O_CREAT, 0444));
  return {};
}

Status MountEmptyRoot(const char* at) {
  if (::mount("reeve", at, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, kRootOptions) < 0) {
    return FailErrno("mount an empty root");
  }
  return {};
}

}  // namespace

Status TakenMounts::Take(const std::string& path, const std::string& target, MountAccess access) {
  const UniqueFd file = REEVE_TRY(sys::Open(path, O_PATH));
  return TakeFd(file.get(), target, access);
}

Status TakenMounts::TakeFd(int fd, const std::string& target, MountAccess access) {
  return TakeMount(fd, target, 0, AttributesFor(access));
}

Status TakenMounts::TakeTree(const std::string& path, const std::string& target) {
  const UniqueFd directory = REEVE_TRY(sys::Open(path, O_PATH | O_DIRECTORY));
  return TakeMount(directory.get(), target, AT_RECURSIVE, AttributesFor(MountAccess::kReadExecute));
}

Status TakenMounts::TakeMount(int fd, const std::string& target, unsigned flags, uint64_t attributes) {
  UniqueFd tree(::open_tree(fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | flags));
  if (!tree) return FailErrno("take " + target);
  REEVE_TRY(MoveHigh(tree));
  const struct stat file = REEVE_TRY(sys::Stat(tree.get()));
  REEVE_TRY(SetAttributes(tree.get(), "", AT_EMPTY_PATH | flags, attributes));
  taken_.push_back({std::move(tree), target, S_ISDIR(file.st_mode)});
  return {};
}

Status TakenMounts::Attach(const Taken& taken, const std::string& path) {
  if (::move_mount(taken.tree.get(), "", AT_FDCWD, path.c_str(), MOVE_MOUNT_F_EMPTY_PATH) < 0) {
    return FailErrno("mount " + taken.target);
  }
  return {};
}

Status TakenMounts::Place(const std::string& root) {
  for (const std::string& directory : directories_) {
    REEVE_TRY(MakeParents(root, directory));
    REEVE_TRY(MakeMountPoint(root + directory, /*is_directory=*/true));
  }
  for (const auto& [text, target] : links_) {
    REEVE_TRY(MakeParents(root, target));
    if (::symlink(text.c_str(), (root + target).c_str()) < 0) return FailErrno("make the link " + target);
  }
  for (const Taken& taken : taken_) {
    const std::string path = root + taken.target;
    REEVE_TRY(MakeParents(root, taken.target));
    REEVE_TRY(MakeMountPoint(path, taken.is_directory));
    REEVE_TRY(Attach(taken, path));
  }
  taken_.clear();
  return {};
}

Status TakenMounts::PivotInto() && {
  REEVE_TRY(MountEmptyRoot(kAnyDirectory));
  REEVE_TRY(Place(kAnyDirectory));
  if (::chdir(kAnyDirectory) < 0) return FailErrno("enter the private root");
  // Both arguments the same: the old root is stacked on the new one and unmounted from there, so that no
  // directory for it is needed (pivot_root(2), "pivot_root(".", ".")").
  if (::syscall(SYS_pivot_root, ".", ".") < 0) return FailErrno("pivot into the private root");
  if (::umount2(".", MNT_DETACH) < 0) return FailErrno("leave the old root");
  if (::chdir("/") < 0) return FailErrno("enter the private root");
  return SetAttributes(AT_FDCWD, "/", 0, MOUNT_ATTR_RDONLY);
}

Status TakenMounts::MountOver() && {
  for (const Taken& taken : taken_) REEVE_TRY(Attach(taken, taken.target));
  return {};
}

Status TakenMounts::MountAt(const std::string& directory) && {
  REEVE_TRY(MountEmptyRoot(directory.c_str()));
  REEVE_TRY(Place(directory));
  return SetAttributes(AT_FDCWD, directory.c_str(), 0, MOUNT_ATTR_RDONLY);
}

}  // namespace reeve::sandbox
