#pragma once

#include <sys/stat.h>

#include <string>

#include "base/result.h"

namespace reeve::inventory {

// Which file stands at a path, and in which state: as long as it is equal, what was read before is still there.
struct FileStamp {
  dev_t device = 0;
  ino_t inode = 0;
  off_t bytes = 0;
  timespec changed = {};  // also when it was replaced by one with the same times

  friend bool operator==(const FileStamp& a, const FileStamp& b) {
    return a.device == b.device && a.inode == b.inode && a.bytes == b.bytes && a.changed.tv_sec == b.changed.tv_sec &&
           a.changed.tv_nsec == b.changed.tv_nsec;
  }
};

// Links are followed. Fails with kNotFound when there is none.
Result<FileStamp> StampOf(const char* path);

}  // namespace reeve::inventory
