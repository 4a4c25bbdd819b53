#include "agent/core/audit_sinks.h"

#include <sys/socket.h>
#include <unistd.h>

#include <climits>

namespace reeve::core {
namespace {

// A write of this length to a pipe is whole or not at all (pipe(7)); a longer line is cut rather than mixed.
constexpr size_t kMaxStderrLine = PIPE_BUF;
// LOG_AUTHPRIV | LOG_INFO (syslog(3)): who did what with which right.
constexpr std::string_view kSyslogPrefix = "<86>reeve: audit: ";

}  // namespace

bool AuditStderrSink::Put(const std::string& text) {
  std::string line = "reeve-core: audit: " + text;
  if (line.size() >= kMaxStderrLine) line.resize(kMaxStderrLine - 1);
  line += "\n";
  return ::write(fd_, line.data(), line.size()) == static_cast<ssize_t>(line.size());
}

void AuditStderrSink::Write(std::string_view json_line) {
  if (lost_ > 0 && Put(LostLine(lost_))) lost_ = 0;
  if (lost_ > 0 || !Put(std::string(json_line))) ++lost_;
}

bool AuditSyslogSink::Put(const std::string& text) {
  const std::string message = std::string(kSyslogPrefix) + text;
  return ::send(fd_, message.data(), message.size(), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

void AuditSyslogSink::Write(std::string_view json_line) {
  if (lost_ > 0 && Put(LostLine(lost_))) lost_ = 0;
  if (lost_ > 0 || !Put(std::string(json_line))) ++lost_;
}

}  // namespace reeve::core
