#include "agent/wire/status_facts.h"

#include <algorithm>
#include <iterator>

namespace reeve::wire {
namespace {

std::string Joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + '\n';
  return text;
}

std::vector<std::string> Lines(std::string_view text) {
  std::vector<std::string> lines;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    lines.emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

std::unexpected<Error> Bad() {
  return Fail(Code::kBadMessage, "facts for the status are malformed");
}

}  // namespace

std::pair<StatusFactsHead, std::string> Encode(const StatusFacts& facts) {
  StatusFactsHead head{.started_at_s = facts.started_at_s,
                       .warden_pid = facts.warden_pid,
                       .warden_uid = facts.warden_uid,
                       .core_pid = facts.core_pid,
                       .log_pid = facts.log_pid,
                       .core_start_count = facts.core_start_count,
                       .landlock_level = facts.landlock_level,
                       .has_cgroup = facts.has_cgroup ? 1u : 0u};
  std::string tail;
  size_t index = 0;
  for (const std::string& text : {facts.policy_note, facts.last_core_end, facts.controllers, Joined(facts.missing)}) {
    const std::string_view cut = std::string_view(text).substr(0, kMaxTextBytes);
    head.text_bytes[index++] = static_cast<uint32_t>(cut.size());
    tail += cut;
  }
  return {head, std::move(tail)};
}

Result<StatusFacts> DecodeStatusFacts(Bytes payload) {
  ByteReader reader(payload);
  StatusFactsHead head;
  if (!reader.Take(head) || head.reserved != 0 || head.has_cgroup > 1) return Bad();
  std::string texts[std::size(head.text_bytes)];
  for (size_t i = 0; i < std::size(texts); ++i) {
    Bytes bytes;
    if (head.text_bytes[i] > kMaxTextBytes || !reader.TakeBytes(head.text_bytes[i], bytes)) return Bad();
    texts[i] = AsText(bytes);
  }
  if (!reader.is_at_end()) return Bad();
  return StatusFacts{.started_at_s = head.started_at_s,
                     .warden_pid = head.warden_pid,
                     .warden_uid = head.warden_uid,
                     .core_pid = head.core_pid,
                     .log_pid = head.log_pid,
                     .core_start_count = head.core_start_count,
                     .landlock_level = head.landlock_level,
                     .has_cgroup = head.has_cgroup == 1,
                     .policy_note = std::move(texts[0]),
                     .last_core_end = std::move(texts[1]),
                     .controllers = std::move(texts[2]),
                     .missing = Lines(texts[3])};
}

}  // namespace reeve::wire
