#pragma once

#include <sys/types.h>

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

// Going to the background, as qemu-ga does with -d.

namespace reeve::start {

inline constexpr mode_t kDaemonUmask = 077;  // set before its sockets are made

// A daemon's pid file: locked (fcntl(2)) as long as this lives, and removed with it.
class PidFile {
 public:
  // Writes this process's pid. Fails when another process holds the lock; the file stays that one's.
  static Result<PidFile> Create(const std::string& path);
  PidFile(PidFile&&) = default;
  PidFile& operator=(PidFile&&) = delete;
  ~PidFile();

 private:
  PidFile(std::string path, UniqueFd file) : path_(std::move(path)), file_(std::move(file)) {}

  std::string path_;
  UniqueFd file_;
};

// Returns in a new process, the leader of a session of its own, at "/", its standard streams on /dev/null. The
// old process has exited with 0 by then, whatever comes after; the failures of the new one still go to the old standard error.
// REQUIRES: one thread, and no child yet.
Result<PidFile> BecomeDaemon(const std::string& pid_file);

}  // namespace reeve::start
