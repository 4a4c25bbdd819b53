#include "agent/log/log_files.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "base/bytes.h"

namespace reeve::log {
namespace {

// One write(2) a line, so that a line stands whole between those of others. A short write (a disk that filled up)
// is taken back as far as that goes: the rest of the line is tried once more.
bool WriteLine(int fd, const std::string& line) {
  size_t done = 0;
  for (int tries = 0; done < line.size() && tries < 2;) {
    const ssize_t count = ::write(fd, line.data() + done, line.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    done += static_cast<size_t>(count);
    ++tries;
  }
  return done == line.size();
}

wire::LogRecord LostRecord(wire::LogKind kind, uint64_t lost, uint64_t epoch_us) {
  const std::string count = std::to_string(lost);
  return {kind, Severity::kWarning, epoch_us,
          kind == wire::LogKind::kAudit ? "{\"event\": \"lost\", \"records\": " + count + "}"
                                        : count + " log lines were lost: the file could not be written"};
}

std::string LineOf(const wire::LogRecord& record) {
  return (record.kind == wire::LogKind::kAudit ? record.text : LogLine(record)) + "\n";
}

}  // namespace

std::string LogLine(const wire::LogRecord& record) {
  char stamp[48];
  std::snprintf(stamp, sizeof stamp, "%llu.%06llu: ", static_cast<unsigned long long>(record.epoch_us / 1'000'000),
                static_cast<unsigned long long>(record.epoch_us % 1'000'000));
  return stamp + std::string(SeverityName(record.severity)) + ": " + record.text;
}

void LogFiles::Write(const wire::LogRecord& record) {
  Put(record.kind == wire::LogKind::kAudit ? audit_ : log_, record.kind, LineOf(record), record.epoch_us);
}

void LogFiles::Put(File& file, wire::LogKind kind, const std::string& line, uint64_t epoch_us) {
  if (!file.fd) return;
  if (file.lost > 0 && WriteLine(file.fd.get(), LineOf(LostRecord(kind, file.lost, epoch_us)))) file.lost = 0;
  if (file.lost > 0 || !WriteLine(file.fd.get(), line)) ++file.lost;
}

}  // namespace reeve::log
