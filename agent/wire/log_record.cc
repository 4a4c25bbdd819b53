#include "agent/wire/log_record.h"

#include <sys/uio.h>
#include <time.h>

#include <algorithm>

#include "base/sys.h"

namespace reeve::wire {
namespace {

constexpr uint8_t kLeastSevere = static_cast<uint8_t>(Severity::kDebug);

bool IsSound(const LogRecordHeader& header, size_t text_bytes) {
  return header.magic == kLogRecordMagic && header.reserved == 0 && header.reserved_2 == 0 &&
         (header.kind == LogKind::kLog || header.kind == LogKind::kAudit) && header.severity <= kLeastSevere &&
         header.text_bytes == text_bytes && text_bytes <= kMaxLogTextBytes;
}

// A line can never start another one, whatever the sender meant.
std::string OneLine(std::string_view text) {
  std::string line(text);
  std::ranges::replace_if(line, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
  return line;
}

}  // namespace

uint64_t EpochMicroseconds() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000 + static_cast<uint64_t>(now.tv_nsec) / 1000;
}

Result<LogRecord> ParseLogRecord(Bytes packet) {
  ByteReader reader(packet);
  LogRecordHeader header;
  if (!reader.Take(header) || !IsSound(header, reader.rest().size()))
    return Fail(Code::kBadMessage, "a log record is malformed");
  return LogRecord{header.kind, static_cast<Severity>(header.severity), header.epoch_us,
                   OneLine(AsText(reader.rest()))};
}

bool LogChannel::Send(LogKind kind, Severity severity, std::string_view line) {
  line = line.substr(0, kMaxLogTextBytes);
  LogRecordHeader header;
  header.kind = kind;
  header.severity = static_cast<uint8_t>(severity);
  header.epoch_us = EpochMicroseconds();
  header.text_bytes = static_cast<uint32_t>(line.size());
  const iovec pieces[] = {{&header, sizeof header}, {const_cast<char*>(line.data()), line.size()}};
  return sys::SendMessage(socket_.get(), pieces).has_value();
}

bool LogChannel::SendLostCount(LogKind kind, uint64_t& lost) {
  if (lost == 0) return true;
  const std::string count = std::to_string(lost);
  const std::string line = kind == LogKind::kAudit ? "{\"event\": \"lost\", \"records\": " + count + "}"
                                                   : count + " log lines were lost: the log could not keep up";
  if (!Send(kind, Severity::kWarning, line)) return false;
  lost = 0;
  return true;
}

void LogChannel::Put(LogKind kind, Severity severity, std::string_view line) {
  uint64_t& lost = kind == LogKind::kAudit ? lost_audits_ : lost_logs_;
  if (!SendLostCount(kind, lost) || !Send(kind, severity, line)) ++lost;
}

}  // namespace reeve::wire
