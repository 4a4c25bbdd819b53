#include "agent/warden/peer.h"

#include <utility>

namespace reeve::warden {
namespace {

// One peer that never stops talking must not keep the others waiting. More than a socket's buffer holds (some 280 small
// packets), so that a turn hears everything that was said before it.
constexpr int kMaxPacketsPerTurn = 512;

}  // namespace

Peer::Peer(EventLoop& loop, UniqueFd socket, uint64_t generation, OnPacket on_packet, OnEnd on_end)
    : loop_(loop),
      socket_(std::move(socket)),
      generation_(generation),
      on_packet_(std::move(on_packet)),
      on_end_(std::move(on_end)) {}

Peer::~Peer() {
  Close();
}

Status Peer::Start() {
  return loop_.Watch(socket_.get(), EPOLLIN, [this](uint32_t) { Drain(); });
}

void Peer::Drain() {
  for (int i = 0; i < kMaxPacketsPerTurn && !has_ended(); ++i) {
    Result<wire::Packet> packet = wire::Receive(socket_.get());
    if (!packet) {
      if (packet.error().code() == Code::kClosed) return End("");
      if (packet.error().code() != Code::kUnavailable) End(packet.error().message());
      return;
    }
    if (before_packet_) before_packet_();
    if (has_ended()) return;
    if (packet->header.generation != generation_)
      return End("a message of generation " + std::to_string(packet->header.generation));
    if (!packet->fds.empty()) return End("a message with descriptors");
    const uint16_t type = static_cast<uint16_t>(packet->header.type);
    const Status taken = on_packet_(std::move(*packet));
    if (!taken) return End("message " + std::to_string(type) + ": " + taken.error().message());
  }
}

void Peer::Close() {
  if (has_ended()) return;
  loop_.Forget(socket_.get());
  socket_.Reset();
}

void Peer::End(const std::string& why) {
  if (has_ended()) return;
  Close();
  on_end_(why);
}

void Peer::SendBytes(wire::Type type, uint64_t request_id, Bytes payload, Bytes tail, std::span<const int> fds) {
  if (has_ended()) return;
  wire::Header header;
  header.type = type;
  header.generation = generation_;
  header.request_id = request_id;
  const Status sent = wire::Send(socket_.get(), header, payload, tail, fds);
  if (!sent) End("it does not take its messages: " + sent.error().message());
}

Status CheckEmpty(const wire::Packet& packet) {
  if (!packet.payload.empty()) return Fail(Code::kBadMessage, "it has a payload");
  return {};
}

}  // namespace reeve::warden
