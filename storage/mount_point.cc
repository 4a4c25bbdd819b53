#include "storage/mount_point.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>

#include "base/sys.h"

namespace reeve::storage {
namespace {

// Name by name: a worker's filter knows openat, whose flags it can see, and not openat2.
constexpr int kOnTheWay = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
constexpr int kAtTheEnd = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;

}  // namespace

Result<UniqueFd> OpenMountPoint(const std::string& path) {
  const size_t last = path.rfind('/');
  if (!path.starts_with('/')) return Fail(Error::System(EINVAL, "open " + path));
  if (last == 0) return sys::Open(path, kAtTheEnd);
  UniqueFd directory = REEVE_TRY(sys::Open("/", kOnTheWay));
  for (size_t begin = 1; begin < last;) {
    const size_t end = path.find('/', begin);
    directory = REEVE_TRY(sys::OpenAt(directory.get(), path.substr(begin, end - begin), kOnTheWay));
    begin = end + 1;
  }
  return sys::OpenAt(directory.get(), path.substr(last + 1), kAtTheEnd);
}

}  // namespace reeve::storage
