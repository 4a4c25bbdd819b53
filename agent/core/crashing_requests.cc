#include "agent/core/crashing_requests.h"

#include <algorithm>
#include <functional>

namespace reeve::core {

RequestPrint PrintOf(uint32_t command, uint32_t channel, const ByteQueue& arguments) {
  iovec piece{};
  arguments.Front({&piece, 1});
  const bool is_one_piece = piece.iov_len == arguments.size();
  const std::hash<std::string_view> digest;
  return {
      command, channel,
      is_one_piece ? digest({static_cast<const char*>(piece.iov_base), piece.iov_len}) : digest(arguments.ToString())};
}

void CrashingRequests::NoteCrash(std::span<const RequestPrint> held, RunningTime now) {
  Forget(now);
  for (size_t i = 0; i < held.size(); ++i) {
    // Several clients may have sent the same: that is one crash.
    if (std::ranges::count(held.first(i), held[i]) > 0) continue;
    const auto found = std::ranges::find(entries_, held[i], &Entry::request);
    Entry entry{held[i], now, 1};
    if (found != entries_.end()) {
      entry.crashes = found->crashes + 1;
      entries_.erase(found);
    }
    entries_.push_back(entry);
  }
  if (entries_.size() > kMaxEntries) entries_.erase(entries_.begin(), entries_.end() - kMaxEntries);
}

void CrashingRequests::Forget(RunningTime now) {
  std::erase_if(entries_, [now](const Entry& entry) { return now - entry.last_crash >= kRefusedFor; });
}

void CrashingRequests::NoteAnswered(const RequestPrint& request) {
  std::erase_if(entries_, [&](const Entry& entry) { return entry.request == request; });
}

bool CrashingRequests::IsRefused(const RequestPrint& request, RunningTime now) const {
  return std::ranges::any_of(entries_,
                             [&](const Entry& entry) { return entry.request == request && entry.IsRefused(now); });
}

uint64_t CrashingRequests::CountRefused(RunningTime now) const {
  return static_cast<uint64_t>(
      std::ranges::count_if(entries_, [now](const Entry& entry) { return entry.IsRefused(now); }));
}

}  // namespace reeve::core
