#include "agent/core/warden_link.h"

#include <sys/epoll.h>

#include <algorithm>

namespace reeve::core {
namespace {

// The warden answers within milliseconds. So many unread messages say that it is stuck, and the core with it.
constexpr size_t kMaxWaiting = 4096;
// A busy warden must not starve the channels.
constexpr int kMessagesPerTurn = 64;

Status ExpectFds(const wire::Packet& packet, size_t count) {
  if (packet.fds.size() == count) return {};
  return Fail(Code::kBadMessage, "a message of the warden carries " + std::to_string(packet.fds.size()) +
                                     " descriptors instead of " + std::to_string(count));
}

}  // namespace

Status WardenLink::Start() {
  REEVE_TRY(loop_.Watch(socket_.get(), EPOLLIN, [this](uint32_t events) { OnReady(events); }));
  wire::Hello hello;
  std::ranges::copy(wire::BuildId(), hello.build_id);
  return wire::Send(socket_.get(), HeaderOf(wire::Type::kHello), hello);
}

wire::Header WardenLink::HeaderOf(wire::Type type) const {
  wire::Header header;
  header.type = type;
  header.generation = generation_;
  return header;
}

template <typename Payload>
void WardenLink::Put(const wire::Header& header, const Payload& payload) {
  PutBytes(header, BytesOf(payload));
}

void WardenLink::PutBytes(const wire::Header& header, Bytes payload) {
  if (is_lost_) return;
  if (waiting_.empty()) {
    const Status sent = wire::Send(socket_.get(), header, payload);
    if (sent) return;
    if (sent.error().code() != Code::kUnavailable) return Lose(sent.error().message());
  }
  if (waiting_.size() == kMaxWaiting) return Lose("the warden does not read");
  waiting_.push_back({header, {payload.begin(), payload.end()}});
  loop_.Change(socket_.get(), EPOLLIN | EPOLLOUT);
}

void WardenLink::StartWorker(uint32_t plugin) {
  Put(HeaderOf(wire::Type::kStartWorker), wire::StartWorker{plugin, 0});
}

void WardenLink::StopWorker(uint32_t worker) {
  Put(HeaderOf(wire::Type::kStopWorker), wire::WorkerId{worker, 0});
}

void WardenLink::OpenDevice(uint32_t channel) {
  Put(HeaderOf(wire::Type::kOpenDevice), wire::ChannelNumber{channel, 0});
}

void WardenLink::Retract(uint64_t request_id, uint32_t worker) {
  wire::Header header = HeaderOf(wire::Type::kRetract);
  header.request_id = request_id;
  Put(header, wire::WorkerId{worker, 0});
}

Status WardenLink::Announce(uint64_t request_id, uint32_t deadline_ms, const wire::Announce& announce) {
  if (is_lost_) return Fail(Code::kClosed, "the warden is gone");
  wire::Header header = HeaderOf(wire::Type::kAnnounce);
  header.request_id = request_id;
  header.deadline_ms = deadline_ms;
  Status sent = waiting_.empty() ? wire::Send(socket_.get(), header, announce)
                                 : Status(Fail(Code::kUnavailable, "the warden has not read yet"));
  if (sent || sent.error().code() != Code::kUnavailable) return sent;
  is_room_wanted_ = true;
  loop_.Change(socket_.get(), EPOLLIN | EPOLLOUT);
  return sent;
}

void WardenLink::OnReady(uint32_t events) {
  if ((events & EPOLLOUT) != 0) SendWaiting();
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && !is_lost_) ReceiveAll();
}

void WardenLink::SendWaiting() {
  while (!waiting_.empty()) {
    const Waiting& next = waiting_.front();
    const Status sent = wire::Send(socket_.get(), next.header, Bytes(next.payload));
    if (!sent && sent.error().code() == Code::kUnavailable) return;
    if (!sent) return Lose(sent.error().message());
    waiting_.pop_front();
  }
  loop_.Change(socket_.get(), EPOLLIN);
  if (std::exchange(is_room_wanted_, false)) handler_.OnRoom();
}

void WardenLink::ReceiveAll() {
  for (int i = 0; i < kMessagesPerTurn && !is_lost_; ++i) {
    auto packet = wire::Receive(socket_.get());
    if (!packet && packet.error().code() == Code::kUnavailable) return;
    if (!packet) return Lose(packet.error().message());
    const Status taken = Take(*packet);
    if (!taken) return Lose(taken.error().message());
  }
}

Status WardenLink::TakeWorkerStarted(wire::Packet& packet) {
  const auto started = REEVE_TRY(packet.Read<wire::WorkerStarted>());
  REEVE_TRY(ExpectFds(packet, 3));
  handler_.OnWorkerStarted(started, std::move(packet.fds));
  return {};
}

Status WardenLink::TakeDeviceOpened(wire::Packet& packet) {
  const auto channel = REEVE_TRY(packet.Read<wire::ChannelNumber>());
  REEVE_TRY(ExpectFds(packet, 1));
  handler_.OnDeviceOpened(channel.channel, std::move(packet.fds.front()));
  return {};
}

Status WardenLink::Take(wire::Packet& packet) {
  Bytes tail;
  if (packet.header.generation != generation_)
    return Fail(Code::kBadMessage, "a message of the warden is of another generation");
  switch (packet.header.type) {
    case wire::Type::kServe:
      REEVE_TRY(ExpectFds(packet, 0));
      handler_.OnServe();
      return {};
    case wire::Type::kStillFrozen:
      REEVE_TRY(ExpectFds(packet, 0));
      handler_.OnStillFrozen(REEVE_TRY(packet.Read<wire::Hold>()).held);
      return {};
    case wire::Type::kWorkerStarted:
      return TakeWorkerStarted(packet);
    case wire::Type::kWorkerEnded: {
      const auto ended = REEVE_TRY(packet.Read<wire::WorkerEnded>(&tail));
      REEVE_TRY(ExpectFds(packet, 0));
      if (tail.size() != ended.text_bytes) return Fail(Code::kBadMessage, "a message of the warden is cut");
      handler_.OnWorkerEnded(ended, AsText(tail));
      return {};
    }
    case wire::Type::kStandingRun: {
      const auto run = REEVE_TRY(packet.Read<wire::StandingRun>(&tail));
      REEVE_TRY(ExpectFds(packet, 0));
      if (tail.size() != run.text_bytes) return Fail(Code::kBadMessage, "a message of the warden is cut");
      handler_.OnStandingRun(run, AsText(tail));
      return {};
    }
    case wire::Type::kDeviceOpened:
      return TakeDeviceOpened(packet);
    case wire::Type::kDeviceFailed: {
      const auto channel = REEVE_TRY(packet.Read<wire::ChannelNumber>(&tail));
      REEVE_TRY(ExpectFds(packet, 0));
      handler_.OnDeviceFailed(channel.channel, AsText(tail));
      return {};
    }
    case wire::Type::kStopping:
      REEVE_TRY(ExpectFds(packet, 0));
      handler_.OnStopping();
      return {};
    case wire::Type::kStatusFacts:
      REEVE_TRY(ExpectFds(packet, 0));
      handler_.OnStatusFacts(REEVE_TRY(wire::DecodeStatusFacts(packet.payload)));
      return {};
    default:
      return Fail(Code::kBadMessage,
                  "a message of the warden is of type " + std::to_string(static_cast<unsigned>(packet.header.type)));
  }
}

void WardenLink::Lose(std::string_view why) {
  if (std::exchange(is_lost_, true)) return;
  loop_.Forget(socket_.get());
  waiting_.clear();
  handler_.OnLost(why);
}

}  // namespace reeve::core
