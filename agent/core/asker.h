#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/request.h"
#include "policy/decide.h"

namespace reeve::core {

// Who asks: one connection's channel and peer, as policy and warden know them. Owned by the connection. Decide is pure,
// so what it said of a command is kept: a request repeated on a connection costs no second decision.
struct Asker {
  Asker(uint32_t channel_number, std::string channel, Peer its_peer)
      : channel_index(channel_number), channel_name(std::move(channel)), peer(its_peer) {}
  Asker(const Asker&) = delete;
  Asker& operator=(const Asker&) = delete;

  const uint32_t channel_index;  // into Config::channels
  const std::string channel_name;
  const Peer peer;
  std::vector<std::optional<policy::Decision>> decisions;  // by Command::number

  uint32_t peer_number() const { return peer.kind == Peer::Kind::kVsock ? peer.cid : peer.uid; }
  policy::Caller caller() const {
    return {channel_name, static_cast<policy::Caller::PeerKind>(peer.kind), peer_number()};
  }
};

// "serial", "unix uid 1000", "vsock cid 2".
std::string PeerText(const Peer& peer);

}  // namespace reeve::core
