#include "tools/reevectl/kernel_record.h"

#include <fcntl.h>
#include <seccomp.h>

#include <charconv>
#include <cstdlib>

#include "base/sys.h"

namespace reeve::reevectl {
namespace {

// The longest record that /dev/kmsg gives.
constexpr size_t kMaxRecordBytes = 8192;
// Records of a log of 16 MiB; more is no log of any use.
constexpr int kMaxRecords = 1 << 18;
// The agent counts running time and whole seconds.
constexpr std::chrono::seconds kTolerance{5};

template <typename Number>
std::optional<Number> NumberAfter(std::string_view text, std::string_view key) {
  const size_t at = text.find(key);
  if (at == std::string_view::npos) return std::nullopt;
  Number number{};
  const char* begin = text.data() + at + key.size();
  if (std::from_chars(begin, text.data() + text.size(), number).ec != std::errc()) return std::nullopt;
  return number;
}

}  // namespace

// `5,1234,98765432,-;audit: type=1326 audit(...): auid=... uid=78002 gid=... pid=123 ... sig=31 ... syscall=101 ...`
std::optional<KillRecord> ParseKillRecord(std::string_view record) {
  const size_t text_at = record.find(';');
  if (text_at == std::string_view::npos) return std::nullopt;
  const std::string_view text = record.substr(text_at);
  if (text.find("type=1326 ") == std::string_view::npos) return std::nullopt;
  const size_t sequence_at = record.find(',');
  if (sequence_at >= text_at) return std::nullopt;
  const auto at_us = NumberAfter<int64_t>(record.substr(sequence_at + 1, text_at - sequence_at), ",");
  const auto uid = NumberAfter<uint32_t>(text, " uid=");
  const auto pid = NumberAfter<uint32_t>(text, " pid=");
  const auto call = NumberAfter<int64_t>(text, " syscall=");
  if (!at_us || !uid || !pid || !call) return std::nullopt;
  return KillRecord{std::chrono::microseconds(*at_us), *uid, *pid, *call};
}

std::optional<KillRecord> FindKillRecord(uint32_t uid, std::chrono::seconds ago) {
  const auto log = sys::Open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (!log) return std::nullopt;
  const std::chrono::nanoseconds now = std::chrono::steady_clock::now().time_since_epoch();
  std::optional<KillRecord> found;
  uint8_t bytes[kMaxRecordBytes];
  for (int i = 0; i < kMaxRecords; ++i) {
    const auto count = sys::Read(log->get(), bytes);
    if (!count && count.error().system_errno() == EPIPE) continue;  // overwritten meanwhile
    if (!count || *count == 0) break;
    const auto record = ParseKillRecord(AsText(Bytes(bytes).first(*count)));
    if (record && record->uid == uid && std::chrono::abs(now - ago - record->at) <= kTolerance) found = record;
  }
  return found;
}

std::string SystemCallText(int64_t system_call) {
  std::string text = std::to_string(system_call);
  char* const name = ::seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, static_cast<int>(system_call));
  if (name != nullptr) text += " (" + std::string(name) + ")";
  std::free(name);
  return text;
}

}  // namespace reeve::reevectl
