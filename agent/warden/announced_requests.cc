#include "agent/warden/announced_requests.h"

#include <string>

namespace reeve::warden {
namespace {

bool HasExpired(const AnnouncedRequest& request, RunningTime now) {
  return request.expires_at && *request.expires_at <= now;
}

std::string Named(uint64_t request_id) {
  return "request " + std::to_string(request_id);
}

}  // namespace

Status AnnouncedRequests::Announce(uint64_t request_id, const wire::Announce& what, uint32_t asks, uint32_t deadline_ms,
                                   RunningTime now) {
  const size_t live = CountLive(what.worker, now);
  if (requests_.contains({what.worker, request_id}))
    return Fail(Code::kBadMessage, Named(request_id) + " is announced twice");
  if (live >= wire::kMaxInFlight)
    return Fail(Code::kTooLarge, Named(request_id) + " is announced beside " + std::to_string(live) +
                                     " others of worker " + std::to_string(what.worker));
  AnnouncedRequest request{.what = what, .expires_at = std::nullopt, .asks_left = asks};
  if (deadline_ms != 0) request.expires_at = now + std::chrono::milliseconds(deadline_ms);
  requests_.emplace(Key{what.worker, request_id}, request);
  return {};
}

void AnnouncedRequests::Retract(uint32_t worker, uint64_t request_id) {
  requests_.erase({worker, request_id});
}

Result<AnnouncedRequest> AnnouncedRequests::Take(uint32_t worker, uint64_t request_id, RunningTime now) {
  const auto found = requests_.find({worker, request_id});
  if (found == requests_.end())
    return Fail(Code::kNotFound,
                Named(request_id) + " was not announced, has asked as often as it may, or is answered");
  const bool has_expired = HasExpired(found->second, now);
  AnnouncedRequest request = found->second;
  if (has_expired || --found->second.asks_left == 0) requests_.erase(found);
  if (has_expired) return Fail(Code::kTimedOut, Named(request_id) + " is past its deadline");
  return request;
}

void AnnouncedRequests::ForgetWorker(uint32_t worker) {
  requests_.erase(requests_.lower_bound({worker, 0}), requests_.upper_bound({worker, UINT64_MAX}));
}

size_t AnnouncedRequests::CountLive(uint32_t worker, RunningTime now) {
  size_t live = 0;
  auto next = requests_.lower_bound({worker, 0});
  while (next != requests_.end() && next->first.first == worker) {
    if (HasExpired(next->second, now)) {
      next = requests_.erase(next);
      continue;
    }
    ++live;
    ++next;
  }
  return live;
}

}  // namespace reeve::warden
