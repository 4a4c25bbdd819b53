#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/config/command_spec.h"
#include "agent/request.h"
#include "policy/decide.h"

namespace reeve::core {

// One command that a host issued and what became of it. Arguments are never part of it but for the program or the file
// that policy decided on: secrets stand in arguments.
struct AuditRecord {
  enum class Outcome : uint8_t { kRefused, kReturned, kFailed };
  std::string_view channel;
  Peer peer;
  std::string_view command;
  Outcome outcome = Outcome::kReturned;
  std::string_view rule;    // who decided
  std::string origin;       // where it stands: "/etc/reeve/policy.yaml:12"
  std::string_view object;  // exec: the program; file-open: the path; else empty
  std::chrono::nanoseconds duration{0};
};

// Where audit lines go. Must not wait.
class AuditSink {
 public:
  virtual ~AuditSink() = default;
  virtual void Write(std::string_view json_line) = 0;
};

// The audit trail. Not thread-safe.
class Audit {
 public:
  // Sinks are lent for the life of this.
  Audit(policy::AuditRules::Decisions decisions, std::vector<AuditSink*> sinks)
      : decisions_(decisions), sinks_(std::move(sinks)) {}

  // Whether policy wants a record of such a command. Asked before one is put together: a ping costs nothing.
  bool Wants(const config::CommandSpec& command, policy::Verdict verdict) const;
  void Record(const AuditRecord& record);

 private:
  const policy::AuditRules::Decisions decisions_;
  const std::vector<AuditSink*> sinks_;
};

// The record as one line of JSON, stamped `epoch_us`.
std::string AuditLine(const AuditRecord& record, uint64_t epoch_us);

// "2026-11-21T00:01:14.123456Z". Needs no time zone file, as gmtime(3) would.
std::string UtcText(uint64_t epoch_us);

}  // namespace reeve::core
