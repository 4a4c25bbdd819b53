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

  // The same file, perhaps in another state.
  bool IsSameFile(const FileStamp& other) const { return device == other.device && inode == other.inode; }

  friend bool operator==(const FileStamp& a, const FileStamp& b) {
    return a.IsSameFile(b) && a.bytes == b.bytes && a.changed.tv_sec == b.changed.tv_sec &&
           a.changed.tv_nsec == b.changed.tv_nsec;
  }
};

// Links are followed. Takes no right to read it. Fails with kNotFound when there is none.
Result<FileStamp> StampOf(const std::string& path);

}  // namespace reeve::inventory
