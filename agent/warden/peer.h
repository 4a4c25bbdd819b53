#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "agent/wire/packet.h"
#include "base/event_loop.h"
#include "base/unique_fd.h"

namespace reeve::warden {

// The warden's end of one control socket, to the core or to a worker. It ends at the first thing that is wrong, and
// nothing is repaired: the owner is told why, once, and nothing is delivered or sent afterwards. Not thread-safe.
class Peer {
 public:
  // Fails when the message is malformed or out of turn: that ends the peer.
  using OnPacket = std::function<Status(wire::Packet packet)>;
  // `why` is empty when the peer just closed its socket: how its process ended says more. The Peer is not to be destroyed
  // within.
  using OnEnd = std::function<void(const std::string& why)>;

  // `loop` is lent. REQUIRES: Start is called before anything else.
  Peer(EventLoop& loop, UniqueFd socket, uint64_t generation, OnPacket on_packet, OnEnd on_end);
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  ~Peer();

  Status Start();
  // Called between the receipt of each packet and its delivery: lets the owner hear what somebody else said before the
  // packet was sent. May end the peer; the packet is then dropped.
  void SetBeforePacket(std::function<void()> before_packet) { before_packet_ = std::move(before_packet); }
  // Takes what has arrived, at most kMaxPacketsPerTurn. May end the peer.
  void Drain();
  void End(const std::string& why);
  // Ends it without a word: the process behind it is gone, and nobody may speak in its name any more.
  void Close();
  bool has_ended() const { return !socket_; }

  // A peer that does not read its socket ends.
  template <typename Payload>
  void Send(wire::Type type, uint64_t request_id, const Payload& payload, std::string_view tail = {},
            std::span<const int> fds = {}) {
    SendBytes(type, request_id, BytesOf(payload), AsBytes(tail), fds);
  }
  void Send(wire::Type type) { SendBytes(type, 0, {}, {}, {}); }
  void Send(wire::Type type, uint64_t request_id, std::span<const int> fds) {
    SendBytes(type, request_id, {}, {}, fds);
  }

 private:
  void SendBytes(wire::Type type, uint64_t request_id, Bytes payload, Bytes tail, std::span<const int> fds);

  EventLoop& loop_;
  UniqueFd socket_;
  uint64_t generation_;
  OnPacket on_packet_;
  OnEnd on_end_;
  std::function<void()> before_packet_;
};

// What ends a peer.
inline std::unexpected<Error> Malformed(const std::string& what) {
  return Fail(Code::kBadMessage, what);
}

// A message that carries nothing beside its header. Fails with kBadMessage.
Status CheckEmpty(const wire::Packet& packet);

}  // namespace reeve::warden
