#pragma once

#include <string>

#include "agent/core/audit.h"
#include "agent/wire/log_record.h"
#include "base/unique_fd.h"

namespace reeve::core {

// The audit file, by way of reeve-log.
class AuditFileSink final : public AuditSink {
 public:
  explicit AuditFileSink(wire::LogChannel& channel) : channel_(channel) {}
  void Write(std::string_view json_line) override { channel_.WriteAudit(json_line); }

 private:
  wire::LogChannel& channel_;
};

// Standard error, as `reeve-core: audit: {...}`: under a service manager that is its journal. A line that standard
// error does not take at once is lost, and the number of lost lines precedes the next.
class AuditStderrSink final : public AuditSink {
 public:
  explicit AuditStderrSink(int stderr_fd) : fd_(stderr_fd) {}
  void Write(std::string_view json_line) override;

 private:
  bool Put(const std::string& line);
  int fd_;
  uint64_t lost_ = 0;
};

// The system journal or log, by a connected datagram socket: one message a line (syslog(3)'s format, which both take).
class AuditSyslogSink final : public AuditSink {
 public:
  // `socket_fd` is lent for the life of this.
  explicit AuditSyslogSink(int socket_fd) : fd_(socket_fd) {}
  void Write(std::string_view json_line) override;

 private:
  bool Put(const std::string& line);
  int fd_;
  uint64_t lost_ = 0;
};

}  // namespace reeve::core
