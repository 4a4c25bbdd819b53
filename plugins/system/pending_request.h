#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "reeve/plugin.hpp"

namespace reeve::system {

// A request that takes several steps, each of which comes back from the agent some time later. One that comes back when
// the request has been answered already, because it was cancelled, finds it closed and goes no further. Not thread-safe.
class PendingRequest {
 public:
  // Takes the reply. `now_ms` is the agent's.
  PendingRequest(const plugin::Request& request, plugin::Reply& reply, uint64_t now_ms)
      : id_(request.id),
        begins_no_step_after_ms_(request.deadline_ms == 0 ? UINT64_MAX : now_ms + request.deadline_ms / 2),
        reply_(std::move(reply)) {}

  uint64_t id() const { return id_; }
  bool is_open() const { return reply_.is_open(); }
  // Half of the time has gone: what is not begun is better left, so that the host is told what was done.
  bool is_late(uint64_t now_ms) const { return now_ms >= begins_no_step_after_ms_; }

  // REQUIRES, of all below: is_open().
  void Succeed() { reply_.Finish(); }
  template <typename T>
  void ReturnValue(const T& value) {
    reply_.ReturnValue(value);
  }
  void Fail(int32_t status, std::string_view text) { reply_.Fail(status, text); }

 private:
  const uint64_t id_;
  const uint64_t begins_no_step_after_ms_;
  plugin::Reply reply_;
};

using Pending = std::shared_ptr<PendingRequest>;

}  // namespace reeve::system
