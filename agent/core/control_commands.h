#pragma once

#include <functional>

#include "agent/core/request_handler.h"

namespace reeve::core {

// Whether `peer` may use the control socket: root, or the user `uid` that reeved runs as. The mode of the socket says so
// too; what holds is who the peer is.
inline bool MayControl(const Peer& peer, uint32_t uid) {
  return peer.kind == Peer::Kind::kUnix && (peer.uid == 0 || peer.uid == uid);
}

// The commands of the control socket. They only look; commands of hosts are not offered here. Not thread-safe.
class ControlCommands final : public RequestHandler {
 public:
  // `status` gives the value of reeve-status as JSON in wire form; called at each request.
  explicit ControlCommands(std::function<std::string()> status) : status_(std::move(status)) {}

  void Dispatch(Asker& asker, Request request, RunningTime arrived, OnReply on_reply) override;

 private:
  Reply Run(const Request& request) const;

  const std::function<std::string()> status_;
};

}  // namespace reeve::core
