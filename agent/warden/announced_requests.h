#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "agent/wire/messages.h"
#include "base/clock.h"
#include "base/result.h"

// What the core announced and the workers may therefore ask for. A pure table: no clock, no socket.
// Not thread-safe.

namespace reeve::warden {

// One live request of one channel. Plain value.
struct AnnouncedRequest {
  wire::Announce what;
  std::optional<RunningTime> expires_at;  // none: the command has no deadline
  uint32_t asks_left = 1;
};

class AnnouncedRequests {
 public:
  // Fails with kBadMessage when the request is announced already, with kTooLarge when the worker has kMaxInFlight
  // live ones; both end the core. What has expired by `now` makes room.
  // `asks` is how often it may ask.
  Status Announce(uint64_t request_id, const wire::Announce& what, uint32_t asks, uint32_t deadline_ms,
                  RunningTime now);
  // No error when it is not there: it may have expired and made room.
  void Retract(uint32_t worker, uint64_t request_id);
  // Uses up one of its asks. Fails with kNotFound when it was never announced, has no ask left or is answered, with kTimedOut
  // when it has expired.
  Result<AnnouncedRequest> Take(uint32_t worker, uint64_t request_id, RunningTime now);
  void ForgetWorker(uint32_t worker);
  size_t size() const { return requests_.size(); }

 private:
  using Key = std::pair<uint32_t, uint64_t>;  // worker, request
  size_t CountLive(uint32_t worker, RunningTime now);

  std::map<Key, AnnouncedRequest> requests_;
};

}  // namespace reeve::warden
