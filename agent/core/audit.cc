#include "agent/core/audit.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "agent/core/asker.h"
#include "agent/wire/log_record.h"
#include "base/json_writer.h"

namespace reeve::core {
namespace {

// The longest path there is. A host may say more.
constexpr size_t kMaxObjectBytes = 4096;

const char* OutcomeName(AuditRecord::Outcome outcome) {
  switch (outcome) {
    case AuditRecord::Outcome::kRefused:
      return "refused";
    case AuditRecord::Outcome::kReturned:
      return "returned";
    case AuditRecord::Outcome::kFailed:
      return "failed";
  }
  return "failed";
}

const char* RunOutcomeName(wire::RunKind kind) {
  switch (kind) {
    case wire::RunKind::kRefused:
      return "refused";
    case wire::RunKind::kFailed:
      return "failed";
    case wire::RunKind::kStarted:
      return "started";
    case wire::RunKind::kExited:
      return "exited";
    case wire::RunKind::kKilled:
      return "killed";
  }
  return "failed";
}

std::string_view TakeWord(std::string_view& words) {
  const size_t end = std::min(words.find('\0'), words.size());
  const std::string_view word = words.substr(0, end);
  words.remove_prefix(std::min(end + 1, words.size()));
  return word;
}

void AppendMember(std::string& line, std::string_view key, std::string_view text) {
  line += ", \"";
  line += key;
  line += "\": ";
  json::AppendString(line, text);
}

}  // namespace

std::string UtcText(uint64_t epoch_us) {
  using namespace std::chrono;
  const sys_time<microseconds> time{microseconds(static_cast<int64_t>(epoch_us))};
  const auto day = floor<days>(time);
  const year_month_day date(day);
  const hh_mm_ss clock(time - day);
  char text[40];
  std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d.%06dZ", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()), static_cast<int>(clock.subseconds().count()));
  return text;
}

std::string AuditLine(const AuditRecord& record, uint64_t epoch_us) {
  std::string line = "{\"time\": \"" + UtcText(epoch_us) + "\", \"event\": \"command\"";
  AppendMember(line, "channel", record.channel);
  AppendMember(line, "peer", PeerText(record.peer));
  AppendMember(line, "command", record.command);
  AppendMember(line, "outcome", OutcomeName(record.outcome));
  if (!record.rule.empty()) AppendMember(line, "rule", record.rule);
  if (!record.origin.empty()) AppendMember(line, "origin", record.origin);
  if (!record.object.empty()) AppendMember(line, "object", record.object.substr(0, kMaxObjectBytes));
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(record.duration).count();
  return line + ", \"duration_us\": " + std::to_string(micros) + "}";
}

std::string RunLine(const RunRecord& record, uint64_t epoch_us) {
  std::string line = "{\"time\": \"" + UtcText(epoch_us) + "\", \"event\": \"program\"";
  std::string_view words = record.words;
  const std::string_view asked = TakeWord(words);
  const bool has_name = record.rule != nullptr && record.rule->run != "*";  // it may be asked for by its rule's
  AppendMember(line, "plugin", record.plugin);
  AppendMember(line, "program", has_name ? record.rule->run : asked);
  if (record.rule != nullptr) {
    line += ", \"arguments\": [";
    for (bool is_first = true; !words.empty(); is_first = false) {
      if (!is_first) line += ", ";
      json::AppendString(line, TakeWord(words));
    }
    line += "]";
    AppendMember(line, "user", record.rule->as.name);
    AppendMember(line, "rule", record.rule->name);
    AppendMember(line, "origin", record.rule->origin.ToString());
  }
  AppendMember(line, "outcome", RunOutcomeName(record.kind));
  if (record.number != 0) line += ", \"number\": " + std::to_string(record.number);
  if (record.kind == wire::RunKind::kExited) line += ", \"exit-code\": " + std::to_string(record.value);
  if (record.kind == wire::RunKind::kKilled) line += ", \"signal\": " + std::to_string(record.value);
  return line + "}";
}

bool Audit::Wants(const config::CommandSpec& command, policy::Verdict verdict) const {
  using Decisions = policy::AuditRules::Decisions;
  if (decisions_ == Decisions::kNone) return false;
  if (verdict == policy::Verdict::kDeny || decisions_ == Decisions::kAll) return true;
  return decisions_ == Decisions::kDeniedAndPrivileged && command.Has(config::kChangesState);
}

void Audit::Record(const AuditRecord& record) {
  if (!sinks_.empty()) Put(AuditLine(record, wire::EpochMicroseconds()));
}

void Audit::RecordRun(const RunRecord& record) {
  const bool is_wanted = decisions_ != policy::AuditRules::Decisions::kNone &&
                         (decisions_ != policy::AuditRules::Decisions::kDenied || record.rule == nullptr);
  if (is_wanted && !sinks_.empty()) Put(RunLine(record, wire::EpochMicroseconds()));
}

void Audit::RecordFreeze(std::string_view end, std::chrono::nanoseconds lasted) {
  if (decisions_ == policy::AuditRules::Decisions::kNone || sinks_.empty()) return;
  const std::string time = "{\"time\": \"" + UtcText(wire::EpochMicroseconds()) + "\", \"event\": ";
  if (end.empty()) return Put(time + "\"freeze\"}");
  std::string line = time + "\"thaw\"";
  AppendMember(line, "why", end);
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(lasted).count();
  Put(line + ", \"duration_us\": " + std::to_string(micros) + "}");
}

void Audit::Put(std::string line) {
  if (is_held_ && held_bytes_ + line.size() > kMaxHeldBytes) {
    ++lost_;
  } else if (is_held_) {
    held_bytes_ += line.size();
    held_.push_back(std::move(line));
  } else {
    for (AuditSink* sink : sinks_) sink->Write(line);
  }
}

void Audit::LetGo() {
  is_held_ = false;
  held_bytes_ = 0;
  for (std::string& line : std::exchange(held_, {})) Put(std::move(line));
  RecordLost(std::exchange(lost_, 0));
}

void Audit::RecordLost(uint64_t records) {
  if (records > 0) Put(LostLine(records));
}

void Audit::RecordLostOfLastCore() {
  if (decisions_ != policy::AuditRules::Decisions::kNone && !sinks_.empty())
    Put("{\"event\": \"lost\", \"why\": \"the core ended while file systems were frozen, with all that it held\"}");
}

std::string LostLine(uint64_t records) {
  return "{\"event\": \"lost\", \"records\": " + std::to_string(records) + "}";
}

}  // namespace reeve::core
