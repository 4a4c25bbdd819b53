#include "agent/core/asker.h"

namespace reeve::core {

static_assert(static_cast<int>(Peer::Kind::kSerial) == static_cast<int>(policy::Caller::PeerKind::kSerial));
static_assert(static_cast<int>(Peer::Kind::kUnix) == static_cast<int>(policy::Caller::PeerKind::kUnix));
static_assert(static_cast<int>(Peer::Kind::kVsock) == static_cast<int>(policy::Caller::PeerKind::kVsock));

std::string PeerText(const Peer& peer) {
  switch (peer.kind) {
    case Peer::Kind::kSerial:
      break;
    case Peer::Kind::kUnix:
      return "unix uid " + std::to_string(peer.uid);
    case Peer::Kind::kVsock:
      return "vsock cid " + std::to_string(peer.cid);
  }
  return "serial";
}

}  // namespace reeve::core
