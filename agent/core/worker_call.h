#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "agent/core/asker.h"
#include "agent/core/command_table.h"
#include "agent/request.h"
#include "base/byte_queue.h"
#include "base/clock.h"
#include "policy/decide.h"

namespace reeve::core {

// Takes the answer; returns whether it was handed on towards the host (false: nobody waits for it any more).
using OnReply = std::function<bool(Reply)>;

// One request of one connection.
struct CallOrigin {
  const Asker* asker = nullptr;
  uint64_t token = 0;  // Request::token
  bool operator==(const CallOrigin&) const = default;
};

// A decided and checked request on its way to a worker. Plain value.
struct WorkerCall {
  const Command* command = nullptr;
  CallOrigin origin;
  uint32_t channel = 0;
  uint32_t peer_kind = 0;  // policy::Caller::PeerKind
  uint32_t peer_number = 0;
  uint32_t rule = policy::Decision::kNoIndex;  // the program or directory rule that allowed it
  ByteQueue arguments;                         // canonical JSON
  RunningTime arrived{0};                      // deadlines count from here
  OnReply on_reply;                            // called exactly once
};

// Who carries calls out: the worker pool.
class WorkerCalls {
 public:
  virtual ~WorkerCalls() = default;
  // Answers exactly once, from within this call or later.
  virtual void Call(WorkerCall call) = 0;
  // Nobody waits for the answer of that call any more. If it is of a command whose program ends with its request, its
  // deadline is now; else it is carried out. Answers nothing from within this; no error when it is answered.
  virtual void Abandon(const CallOrigin& origin) = 0;
};

}  // namespace reeve::core
