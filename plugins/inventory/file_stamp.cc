#include "plugins/inventory/file_stamp.h"

namespace reeve::inventory {

Result<FileStamp> StampOf(const char* path) {
  struct stat file{};
  if (::stat(path, &file) < 0) return FailErrno(std::string("look at ") + path);
  return FileStamp{file.st_dev, file.st_ino, file.st_size, file.st_ctim};
}

}  // namespace reeve::inventory
