#pragma once

#include <cstdint>
#include <string>

#include "agent/wire/log_record.h"
#include "base/unique_fd.h"

namespace reeve::log {

// The log and the audit file. A write may wait for the disk, as on a frozen file system: then the records wait in the
// socket, and their senders count what no longer fits. Not thread-safe.
class LogFiles {
 public:
  // Either may be closed: its records are then dropped.
  LogFiles(UniqueFd log, UniqueFd audit) : log_{std::move(log)}, audit_{std::move(audit)} {}

  // Writes the record's line, whole or not at all. What a full disk refuses is counted, and the count is the
  // file's next line.
  void Write(const wire::LogRecord& record);

 private:
  struct File {
    UniqueFd fd;
    uint64_t lost = 0;
  };
  void Put(File& file, wire::LogKind kind, const std::string& line, uint64_t epoch_us);

  File log_;
  File audit_;
};

// `<epoch>.<6 digits>: <level>: <text>`, qemu-ga's format, without a line end.
std::string LogLine(const wire::LogRecord& record);

}  // namespace reeve::log
