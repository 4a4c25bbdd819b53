#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/config/command_spec.h"
#include "agent/request.h"
#include "agent/wire/messages.h"
#include "policy/decide.h"

namespace reeve::core {

// One command that a host issued and what became of it. Arguments are never part of it but for the program or the file
// that policy decided on, or the one that the manifest names: secrets stand in arguments.
struct AuditRecord {
  enum class Outcome : uint8_t { kRefused, kReturned, kFailed };
  std::string_view channel;
  Peer peer;
  std::string_view command;
  Outcome outcome = Outcome::kReturned;
  std::string_view rule;    // who decided
  std::string origin;       // where it stands: "/etc/reeve/policy.yaml:12"
  std::string_view object;  // exec: the program; file-open: the path; accounts: the user; else empty
  std::chrono::nanoseconds duration{0};
};

// A program that a plugin ran for no request, by a rule of its own that is standing; or that it was refused.
struct RunRecord {
  std::string_view plugin;
  const policy::ProgramRule* rule = nullptr;  // nullptr: none allowed it. Lent
  std::string_view words;                     // argv, each word ended by NUL
  uint64_t number = 0;                        // the same at its start and its end; 0: it did not run
  wire::RunKind kind{};
  int32_t value = 0;  // exit code or signal
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
  // Its arguments are part of it where a rule allowed them.
  void RecordRun(const RunRecord& record);
  // That file systems are frozen from now on (`end` is empty), or are not any more and why.
  void RecordFreeze(std::string_view end, std::chrono::nanoseconds lasted);

  // That so many records were not made; 0: nothing is written.
  void RecordLost(uint64_t records);
  // That the core before this held what it could not write, and nobody knows how much of it.
  void RecordLostOfLastCore();

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

// The same of a run.
std::string RunLine(const RunRecord& record, uint64_t epoch_us);

// `records` of it were lost, as a line.
std::string LostLine(uint64_t records);

// "2026-11-21T00:01:14.123456Z". Needs no time zone file, as gmtime(3) would.
std::string UtcText(uint64_t epoch_us);

}  // namespace reeve::core
