#include "plugins/inventory/file_stamp.h"

namespace reeve::inventory {

Result<FileStamp> StampOf(const std::string& path) {
  struct stat file{};
  if (::stat(path.c_str(), &file) < 0) return FailErrno("look at " + path);
  return FileStamp{file.st_dev, file.st_ino, file.st_size, file.st_ctim};
}

}  // namespace reeve::inventory
