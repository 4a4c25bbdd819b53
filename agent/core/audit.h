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
  // That file systems are frozen from now on (`end` is empty), or are not any more and why.
  void RecordFreeze(std::string_view end, std::chrono::nanoseconds lasted);

  // From now on records wait in memory, until LetGo: then they are written, and how many there was no room for.
  void Hold() { is_held_ = true; }
  void LetGo();
  static constexpr size_t kMaxHeldBytes = 1024 * 1024;

 private:
  void Put(std::string line);

  const policy::AuditRules::Decisions decisions_;
  const std::vector<AuditSink*> sinks_;
  bool is_held_ = false;
  std::vector<std::string> held_;
  size_t held_bytes_ = 0;
  uint64_t lost_ = 0;
};

// The record as one line of JSON, stamped `epoch_us`.
std::string AuditLine(const AuditRecord& record, uint64_t epoch_us);

// `records` of it were lost, as a line.
std::string LostLine(uint64_t records);

// "2026-11-21T00:01:14.123456Z". Needs no time zone file, as gmtime(3) would.
std::string UtcText(uint64_t epoch_us);

}  // namespace reeve::core
