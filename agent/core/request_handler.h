#pragma once

#include "agent/core/asker.h"
#include "agent/core/worker_call.h"
#include "agent/request.h"
#include "base/clock.h"

namespace reeve::core {

// Carries out the requests of a channel: the dispatcher, or for the control socket what is offered there.
class RequestHandler {
 public:
  virtual ~RequestHandler() = default;
  // Answers by exactly one call of `on_reply`, from within this or later. `asker` must live until then. Deadlines count
  // from `arrived`.
  virtual void Dispatch(Asker& asker, Request request, RunningTime arrived, OnReply on_reply) = 0;
  // Nobody waits any more for that request (Request::token), which is not answered. Answers nothing from within this.
  virtual void Abandon(const Asker& /*asker*/, uint64_t /*token*/) {}
};

}  // namespace reeve::core
