#include "agent/warden/core_peer.h"

#include <cstring>
#include <utility>

namespace reeve::warden {
struct CorePeer::Row {
  wire::Type type;
  bool is_serving;  // whether it may come only before or only after hello
  Status (CorePeer::*take)(const wire::Packet&);
};

const CorePeer::Row CorePeer::kTable[] = {
    {wire::Type::kHello, false, &CorePeer::TakeHello},
    {wire::Type::kStartWorker, true, &CorePeer::TakeStartWorker},
    {wire::Type::kStopWorker, true, &CorePeer::TakeStopWorker},
    {wire::Type::kAnnounce, true, &CorePeer::TakeAnnounce},
    {wire::Type::kRetract, true, &CorePeer::TakeRetract},
    {wire::Type::kOpenDevice, true, &CorePeer::TakeOpenDevice},
};

CorePeer::CorePeer(EventLoop& loop, UniqueFd socket, uint64_t generation, CoreServices& services)
    : services_(services),
      peer_(
          loop, std::move(socket), generation, [this](const wire::Packet& packet) { return Take(packet); },
          [this](const std::string& why) { services_.OnCoreLost(why.empty() ? "it closed its socket" : why); }) {}

Status CorePeer::Take(const wire::Packet& packet) {
  for (const Row& row : kTable)
    if (row.type == packet.header.type)
      return row.is_serving == is_serving_ ? (this->*row.take)(packet) : Malformed("it is out of turn");
  return Malformed("its type is unknown here");
}

Status CorePeer::TakeHello(const wire::Packet& packet) {
  const auto hello = REEVE_TRY(packet.Read<wire::Hello>());
  if (std::memcmp(hello.build_id, wire::BuildId(), sizeof hello.build_id) != 0) {
    services_.OnOtherBuild();
    return Malformed("it is of another build than the warden");
  }
  REEVE_TRY(services_.CheckCore());
  is_serving_ = true;
  services_.OnCoreChecked();
  peer_.Send(wire::Type::kServe);
  if (!peer_.has_ended()) services_.OnCoreServing();
  return {};
}

Status CorePeer::TakeStartWorker(const wire::Packet& packet) {
  const auto start = REEVE_TRY(packet.Read<wire::StartWorker>());
  if (start.reserved != 0) return Malformed("a reserved field is set");
  return services_.StartWorker(start.plugin);
}

Status CorePeer::TakeStopWorker(const wire::Packet& packet) {
  const auto id = REEVE_TRY(packet.Read<wire::WorkerId>());
  if (id.reserved != 0) return Malformed("a reserved field is set");
  return services_.StopWorker(id.worker);
}

Status CorePeer::TakeAnnounce(const wire::Packet& packet) {
  const auto announce = REEVE_TRY(packet.Read<wire::Announce>());
  return services_.Announce(packet.header.request_id, packet.header.deadline_ms, announce);
}

Status CorePeer::TakeRetract(const wire::Packet& packet) {
  const auto id = REEVE_TRY(packet.Read<wire::WorkerId>());
  if (id.reserved != 0) return Malformed("a reserved field is set");
  return services_.Retract(packet.header.request_id, id.worker);
}

Status CorePeer::TakeOpenDevice(const wire::Packet& packet) {
  const auto channel = REEVE_TRY(packet.Read<wire::ChannelNumber>());
  if (channel.reserved != 0) return Malformed("a reserved field is set");
  return services_.OpenDevice(channel.channel);
}

}  // namespace reeve::warden
