#include "plugins/fsfreeze/file_systems.h"

#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

#include "base/sys.h"
#include "storage/mount_point.h"

namespace reeve::fsfreeze {

namespace {

Result<unsigned> KindOf(int fd) {
  struct statfs status;
  if (::fstatfs(fd, &status) < 0) return FailErrno("fstatfs");
  return static_cast<unsigned>(status.f_type);
}

}  // namespace

Result<UniqueFd> KernelFileSystems::Open(const std::string& mountpoint, const storage::Device& device) {
  UniqueFd fd = REEVE_TRY(storage::OpenMountPoint(mountpoint));
  const struct stat status = REEVE_TRY(sys::Stat(fd.get()));
  const storage::Device opened{major(status.st_dev), minor(status.st_dev)};
  // stat(2) has another made-up number for btrfs than mountinfo.
  const bool is_it = device.major == 0 ? opened.major == 0 : opened == device;
  if (!is_it) return Fail(Code::kUnavailable, "another file system stands there than the mount table says");
  return fd;
}

Status KernelFileSystems::Freeze(int fd) {
  if (::ioctl(fd, FIFREEZE, 0) < 0) return FailErrno("freeze");
  return {};
}

Status KernelFileSystems::Thaw(int fd) {
  if (::ioctl(fd, FITHAW, 0) < 0) return FailErrno("thaw");
  return {};
}

Result<TrimRange> KernelFileSystems::Trim(int fd, TrimRange range) {
  fstrim_range raw{.start = range.start, .len = range.length_bytes, .minlen = range.minimum_bytes};
  if (::ioctl(fd, FITRIM, &raw) < 0) return FailErrno("trim");
  return TrimRange{raw.start, raw.len, raw.minlen};
}

Result<uint64_t> KernelFileSystems::SizeBytes(int fd) {
  struct statfs status;
  if (::fstatfs(fd, &status) < 0) return FailErrno("fstatfs");
  return static_cast<uint64_t>(status.f_blocks) * static_cast<uint64_t>(status.f_bsize);
}

// Each subvolume of a btrfs has a device number of its own, and an overlay has none of those that it is made of.
Result<bool> KernelFileSystems::HoldsUp(int mount_fd, int file_fd) {
  const unsigned kind = REEVE_TRY(KindOf(file_fd));
  if (kind == TMPFS_MAGIC || kind == RAMFS_MAGIC) return false;
  if (kind == OVERLAYFS_SUPER_MAGIC) return true;
  if (kind == BTRFS_SUPER_MAGIC && REEVE_TRY(KindOf(mount_fd)) == BTRFS_SUPER_MAGIC) return true;
  const struct stat mount = REEVE_TRY(sys::Stat(mount_fd));
  const struct stat file = REEVE_TRY(sys::Stat(file_fd));
  return mount.st_dev == file.st_dev;
}

}  // namespace reeve::fsfreeze
