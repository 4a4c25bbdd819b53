#include "plugins/fsfreeze/file_systems.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>

#include "base/sys.h"

namespace reeve::fsfreeze {

Result<UniqueFd> KernelFileSystems::Open(const std::string& mountpoint) {
  return sys::Open(mountpoint, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK);
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

}  // namespace reeve::fsfreeze
