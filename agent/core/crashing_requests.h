#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/byte_queue.h"
#include "base/clock.h"

namespace reeve::core {

// What makes a request the same as another of its plugin. The channel is a part: what one host sends spoils no
// equal request of another's, unless that too was held at both crashes.
struct RequestPrint {
  uint32_t command = 0;  // index into the plugin's commands
  uint32_t channel = 0;
  uint64_t arguments = 0;  // a digest of the canonical arguments; not against forgers, who would only hurt themselves
  bool operator==(const RequestPrint&) const = default;
};

RequestPrint PrintOf(uint32_t command, uint32_t channel, const ByteQueue& arguments);

// Which requests one plugin's worker crashed on. One that it held at two crashes is refused for kRefusedFor, or until it
// drops out of this table; being carried out clears it. Pure; not thread-safe.
class CrashingRequests {
 public:
  static constexpr std::chrono::hours kRefusedFor{24};  // from its last crash
  static constexpr uint32_t kCrashesToRefusal = 2;
  static constexpr size_t kMaxEntries = 64;  // the oldest goes

  // The worker ended with these unanswered.
  void NoteCrash(std::span<const RequestPrint> held, RunningTime now);
  void NoteAnswered(const RequestPrint& request);
  bool IsRefused(const RequestPrint& request, RunningTime now) const;

  // Nothing was held at a crash: prints need not be taken for asking.
  bool is_empty() const { return entries_.empty(); }
  uint64_t CountRefused(RunningTime now) const;

 private:
  struct Entry {
    RequestPrint request;
    RunningTime last_crash{0};
    uint32_t crashes = 0;
    bool IsRefused(RunningTime now) const { return crashes >= kCrashesToRefusal && now - last_crash < kRefusedFor; }
  };
  void Forget(RunningTime now);

  std::vector<Entry> entries_;  // by last_crash
};

}  // namespace reeve::core
