#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/log.h"
#include "base/result.h"
#include "base/unique_fd.h"

// How core and warden hand their lines to reeve-log: one record a SOCK_SEQPACKET packet, a LogRecordHeader and then the
// text. All writers share one end of one pair, so the order of records is the order of sending. The socket's buffer is
// the bound: a writer never waits, what does not fit is counted, and the count is the next record.

namespace reeve::wire {

// Where reeve-log finds its descriptors, beside those of agent/sandbox/confine_child.h. A file that is not wanted is
// not placed. The files are opened by the warden's child before exec (O_APPEND, so that truncation by a rotation works).
inline constexpr int kLogRecordsFd = 64;  // the reading end
inline constexpr int kLogFileFd = 65;
inline constexpr int kAuditFileFd = 66;
// Where the core finds the writing end; not placed when there is no reeve-log.
inline constexpr int kCoreLogFd = 60;

inline constexpr uint32_t kLogRecordMagic = 0x31475652;  // "RVG1"
// A longer line is cut: an audit line holds a path of at most 4 KiB, escaped.
inline constexpr size_t kMaxLogTextBytes = 30 * 1024;

enum class LogKind : uint8_t { kLog = 1, kAudit = 2 };

struct LogRecordHeader {
  uint32_t magic = kLogRecordMagic;
  LogKind kind = LogKind::kLog;
  uint8_t severity = 0;  // reeve::Severity
  uint16_t reserved = 0;
  uint64_t epoch_us = 0;
  uint32_t text_bytes = 0;
  uint32_t reserved_2 = 0;
};
static_assert(sizeof(LogRecordHeader) == 24);

struct LogRecord {
  LogKind kind = LogKind::kLog;
  Severity severity = Severity::kInfo;
  uint64_t epoch_us = 0;
  std::string text;  // one line: control bytes were replaced
};

// Reads one packet, which is not trusted. Fails with kBadMessage.
Result<LogRecord> ParseLogRecord(Bytes packet);

// The writing side: this process's log sink and the way of its audit lines. Not thread-safe. Never waits.
class LogChannel final : public LogSink {
 public:
  // `socket_fd` is the writing end.
  explicit LogChannel(UniqueFd socket_fd) : socket_(std::move(socket_fd)) {}

  void Write(Severity severity, std::string_view line) override { Put(LogKind::kLog, severity, line); }
  void WriteAudit(std::string_view json_line) { Put(LogKind::kAudit, Severity::kInfo, json_line); }

  // Records that did not fit and whose count has not been sent yet.
  uint64_t lost_count() const { return lost_logs_ + lost_audits_; }
  int fd() const { return socket_.get(); }

 private:
  void Put(LogKind kind, Severity severity, std::string_view line);
  bool Send(LogKind kind, Severity severity, std::string_view line);
  bool SendLostCount(LogKind kind, uint64_t& lost);

  UniqueFd socket_;
  uint64_t lost_logs_ = 0;
  uint64_t lost_audits_ = 0;
};

// Microseconds since the epoch, for the stamp of a line.
uint64_t EpochMicroseconds();

}  // namespace reeve::wire
