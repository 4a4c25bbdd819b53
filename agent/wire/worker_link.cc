#include "agent/wire/worker_link.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

namespace reeve::wire {
namespace {

// Log levels as reeve::Severity has them.
constexpr uint32_t kLeastSevere = static_cast<uint32_t>(Severity::kDebug);

// What waits for a worker to read is a cancel or two for each of its requests, and a piece. More is its own doing.
constexpr size_t kMaxUnsent = 8 * kMaxInFlight;

}  // namespace

Result<std::unique_ptr<WorkerLink>> WorkerLink::Create(EventLoop& loop, WorkerChannel channel, uint64_t generation,
                                                       Events& events) {
  RingWriter writer = REEVE_TRY(RingWriter::Create(channel.ring_to.get()));
  RingReader reader = REEVE_TRY(RingReader::Create(channel.ring_from.get()));
  std::unique_ptr<WorkerLink> link(
      new WorkerLink(loop, std::move(channel.socket), std::move(writer), std::move(reader), generation, events));
  WorkerLink* const raw = link.get();
  REEVE_TRY(loop.Watch(raw->socket_.get(), EPOLLIN, [raw](uint32_t ready) { raw->OnReady(ready); }));
  Hello hello;
  std::memcpy(hello.build_id, BuildId(), sizeof hello.build_id);
  raw->Put(raw->HeaderOf(Type::kHello), hello);
  return link;
}

WorkerLink::WorkerLink(EventLoop& loop, UniqueFd socket, RingWriter writer, RingReader reader, uint64_t generation,
                       Events& events)
    : loop_(loop),
      socket_(std::move(socket)),
      writer_(std::move(writer)),
      reader_(std::move(reader)),
      generation_(generation),
      events_(events),
      scratch_(kMaxPieceBytes),
      is_alive_(std::make_shared<bool>(true)) {}

WorkerLink::~WorkerLink() {
  *is_alive_ = false;
  if (socket_) loop_.Forget(socket_.get());
}

Header WorkerLink::HeaderOf(Type type, uint64_t request_id) const {
  return {.type = type, .generation = generation_, .request_id = request_id};
}

Status WorkerLink::Send(const RequestHead& head, ByteQueue arguments) {
  if (!socket_) return Fail(Code::kClosed, "the worker is gone");
  if (in_flight_.size() >= kMaxInFlight) return Fail(Code::kUnavailable, "too many requests at one worker");
  const uint64_t total_bytes = arguments.size();
  if (total_bytes > kMaxRequestBytes) return Fail(Code::kTooLarge, "a request is too long for a worker");
  in_flight_.emplace(head.id, Incoming{});
  outgoing_.push_back({head, std::move(arguments), total_bytes});
  SendPieces();
  return {};
}

bool WorkerLink::Cancel(uint64_t request_id) {
  if (!in_flight_.contains(request_id)) return false;
  const auto waiting = std::find_if(outgoing_.begin(), outgoing_.end(), [&](const Outgoing& request) {
    return request.head.id == request_id && !request.is_begun;
  });
  if (waiting != outgoing_.end()) {
    outgoing_.erase(waiting);
    in_flight_.erase(request_id);
    return false;
  }
  Put(HeaderOf(Type::kCancel, request_id), NoPayload{});
  return true;
}

void WorkerLink::Settle(uint64_t request_id, bool was_sent) {
  Put(HeaderOf(Type::kSettled, request_id), Settled{.was_sent = was_sent ? 1u : 0u});
}

void WorkerLink::Ping() {
  is_pong_due_ = true;
  Put(HeaderOf(Type::kPing), NoPayload{});
}

void WorkerLink::Quiet(uint64_t number) {
  Put(HeaderOf(Type::kQuiet), QuietNumber{.number = number});
}

void WorkerLink::SendPieces() {
  // What the socket did not take goes first; while any waits, nothing new is made.
  while (!outgoing_.empty() && unsent_.empty() && SendOnePiece(outgoing_.front())) {
    if (outgoing_.front().arguments.is_empty()) outgoing_.pop_front();
  }
}

// False: no room until the worker has read more.
bool WorkerLink::SendOnePiece(Outgoing& request) {
  const bool is_inline = !request.is_begun && request.total_bytes <= kMaxInlineBytes;
  std::span<uint8_t> room(scratch_.data(), request.total_bytes);
  if (!is_inline) {
    const uint64_t rest = request.arguments.size();
    room = writer_.Reserve(static_cast<uint32_t>(std::min<uint64_t>(rest, kMaxPieceBytes)));
    if (room.empty()) return false;
  }
  size_t filled = 0;
  while (filled < room.size()) {
    iovec piece;
    request.arguments.Front({&piece, 1});
    const size_t count = std::min(piece.iov_len, room.size() - filled);
    std::memcpy(room.data() + filled, piece.iov_base, count);
    request.arguments.Consume(count);
    filled += count;
  }
  request.is_begun = true;
  const RequestHead& head = request.head;
  Header header = HeaderOf(Type::kRequest, head.id);
  header.deadline_ms = head.deadline_ms;
  const wire::Request payload{.command = head.command,
                              .channel = head.channel,
                              .peer_kind = head.peer_kind,
                              .peer_number = head.peer_number,
                              .ring_offset = is_inline ? kInlineOffset : writer_.Commit(static_cast<uint32_t>(filled)),
                              .piece_bytes = static_cast<uint32_t>(filled),
                              .total_bytes = request.total_bytes,
                              .consumed = reader_.consumed()};
  Put(header, payload, is_inline ? AsText(room) : std::string_view());
  reader_.Told();
  return true;
}

template <typename Payload>
void WorkerLink::Put(const Header& header, const Payload& payload, std::string_view tail) {
  if (!socket_) return;
  Bytes payload_bytes;
  if constexpr (!std::is_same_v<Payload, NoPayload>) payload_bytes = BytesOf(payload);
  if (unsent_.empty()) {
    const Status sent = wire::Send(socket_.get(), header, payload_bytes, AsBytes(tail));
    // That the worker is gone is learned by reading; what cannot be sent then has no reader.
    if (sent || sent.error().code() != Code::kUnavailable) return;
  }
  Unsent& unsent = unsent_.emplace_back();
  unsent.header = header;
  unsent.payload.assign(payload_bytes.begin(), payload_bytes.end());
  unsent.payload.insert(unsent.payload.end(), tail.begin(), tail.end());
  static_cast<void>(loop_.Change(socket_.get(), EPOLLIN | EPOLLOUT));
}

void WorkerLink::Flush() {
  while (!unsent_.empty()) {
    const Status sent = wire::Send(socket_.get(), unsent_.front().header, Bytes(unsent_.front().payload));
    if (!sent && sent.error().code() == Code::kUnavailable) return;
    unsent_.pop_front();
  }
  static_cast<void>(loop_.Change(socket_.get(), EPOLLIN));
  SendPieces();
}

void WorkerLink::OnReady(uint32_t ready) {
  const std::shared_ptr<bool> is_alive = is_alive_;
  if ((ready & EPOLLOUT) != 0) Flush();
  ReadPackets();
  if (!*is_alive) return;
  if (reader_.owes_credit()) {
    Put(HeaderOf(Type::kConsumed), Consumed{.consumed = reader_.consumed()});
    reader_.Told();
  }
  SendPieces();
}

void WorkerLink::ReadPackets() {
  const std::shared_ptr<bool> is_alive = is_alive_;
  for (int i = 0; i < kPacketsPerTurn; ++i) {
    const Result<Packet> packet = Receive(socket_.get());
    if (!packet && packet.error().code() == Code::kUnavailable) return;
    const Status handled = packet ? Handle(*packet) : Status(Fail(packet.error()));
    if (!*is_alive) return;
    if (!handled) return Close(handled.error());
    // Nothing is owed to us: the call that would only say so is spared. What comes yet wakes the loop again.
    if (in_flight_.empty()) return;
  }
}

void WorkerLink::ReadLastWords() {
  const std::shared_ptr<bool> is_alive = is_alive_;
  while (*is_alive) {
    const Result<Packet> packet = Receive(socket_.get());
    if (!packet && packet.error().code() == Code::kUnavailable) return;
    const Status handled = packet ? Handle(*packet) : Status(Fail(packet.error()));
    if (*is_alive && !handled) return Close(handled.error());
  }
}

Status WorkerLink::Handle(const Packet& packet) {
  if (packet.header.generation != generation_) return Fail(Code::kBadMessage, "a message of another generation");
  if (!packet.fds.empty()) return Fail(Code::kBadMessage, "a worker sent a descriptor");
  const Type type = packet.header.type;
  if (is_greeted_ == (type == Type::kHello)) return Fail(Code::kBadMessage, "a greeting out of turn");
  switch (type) {
    case Type::kHello: {
      const Hello hello = REEVE_TRY(packet.Read<Hello>());
      if (std::memcmp(hello.build_id, BuildId(), kBuildIdBytes) != 0)
        return Fail(Code::kBadMessage, "the worker is of another build");
      is_greeted_ = true;
      return {};
    }
    case Type::kReply:
      return HandleReplyPiece(packet);
    case Type::kReplyEnd:
      return HandleReplyEnd(packet);
    case Type::kWantSettled:
      if (!packet.payload.empty()) return Fail(Code::kBadMessage, "a message is longer than its type demands");
      REEVE_TRY(InFlight(packet.header.request_id))->wants_settled = true;
      return {};
    case Type::kConsumed:
      return writer_.Consumed(REEVE_TRY(packet.Read<Consumed>()).consumed);
    case Type::kHold:
      events_.OnHold(REEVE_TRY(packet.Read<Hold>()).held);
      return {};
    case Type::kQuiesce:
      if (unsent_.size() >= kMaxUnsent) return Fail(Code::kBadMessage, "it asks and does not read the answers");
      events_.OnQuiesce(REEVE_TRY(packet.Read<QuietNumber>()).number);
      return {};
    case Type::kRenew:
      if (!packet.payload.empty()) return Fail(Code::kBadMessage, "a message is longer than its type demands");
      events_.OnRenew();
      return {};
    case Type::kFreezeNote:
      return HandleFreezeNote(packet);
    case Type::kPong: {
      const Pong pong = REEVE_TRY(packet.Read<Pong>());
      if (!std::exchange(is_pong_due_, false)) return Fail(Code::kBadMessage, "an answer to no ping");
      events_.OnPong(pong.heap_bytes);
      return {};
    }
    case Type::kLogLine:
      return HandleLogLine(packet);
    default:
      return Fail(Code::kBadMessage, "a message of a type that no worker sends");
  }
}

Result<WorkerLink::Incoming*> WorkerLink::InFlight(uint64_t request_id) {
  const auto found = in_flight_.find(request_id);
  const auto is_unsent = [&](const Outgoing& request) { return request.head.id == request_id && !request.is_begun; };
  if (found == in_flight_.end() || std::any_of(outgoing_.begin(), outgoing_.end(), is_unsent))
    return Fail(Code::kBadMessage, "a reply to what was not asked");
  return &found->second;
}

Status WorkerLink::HandleReplyPiece(const Packet& packet) {
  Bytes tail;
  const ReplyPiece piece = REEVE_TRY(packet.Read<ReplyPiece>(&tail));
  Incoming& reply = *REEVE_TRY(InFlight(packet.header.request_id));
  REEVE_TRY(writer_.Consumed(piece.consumed));
  if (!tail.empty()) return Fail(Code::kBadMessage, "a message is longer than its type demands");
  if (piece.piece_bytes > kMaxPieceBytes) return Fail(Code::kBadMessage, "a piece that does not lie in the ring");
  const std::span<uint8_t> copy(scratch_.data(), piece.piece_bytes);
  REEVE_TRY(reader_.CopyOut(piece.ring_offset, piece.piece_bytes, copy));
  reply.received_bytes += piece.piece_bytes;
  if (reply.received_bytes > kMaxReplyBytes) return Fail(Code::kBadMessage, "a reply above its limit");
  events_.OnReplyPiece(packet.header.request_id, copy);
  return {};
}

Status WorkerLink::HandleReplyEnd(const Packet& packet) {
  Bytes tail;
  const ReplyEnd end = REEVE_TRY(packet.Read<ReplyEnd>(&tail));
  const uint64_t id = packet.header.request_id;
  Incoming reply = *REEVE_TRY(InFlight(id));
  REEVE_TRY(writer_.Consumed(end.consumed));
  const bool is_success = end.status == 0;
  if (tail.size() != end.text_bytes || tail.size() > kMaxTextBytes)
    return Fail(Code::kBadMessage, "a reply's end is not as long as it says");
  reply.received_bytes += is_success ? tail.size() : 0;
  if (is_success && reply.received_bytes != end.total_bytes)
    return Fail(Code::kBadMessage, "a reply is not as long as it says");
  // An early end (an error) may leave pieces of the request unsent: they still go out, and the worker drops them.
  in_flight_.erase(id);
  const std::shared_ptr<bool> is_alive = is_alive_;
  if (is_success && !tail.empty()) events_.OnReplyPiece(id, tail);
  if (*is_alive) events_.OnReplyEnd(id, end.status, is_success ? "" : AsText(tail), reply.wants_settled);
  return {};
}

Status WorkerLink::HandleFreezeNote(const Packet& packet) {
  Bytes text;
  const FreezeNote note = REEVE_TRY(packet.Read<FreezeNote>(&text));
  if (text.size() != note.text_bytes || text.size() > kMaxFreezeTextBytes || note.reserved != 0)
    return Fail(Code::kBadMessage, "a note of a freeze that is none");
  events_.OnFreezeNote(note.time_left_ms, AsText(text));
  return {};
}

Status WorkerLink::HandleLogLine(const Packet& packet) {
  Bytes text;
  const LogLine line = REEVE_TRY(packet.Read<LogLine>(&text));
  if (text.size() != line.text_bytes || text.size() > kMaxTextBytes || line.severity > kLeastSevere)
    return Fail(Code::kBadMessage, "a log line that is none");
  events_.OnLogLine(static_cast<Severity>(line.severity), AsText(text));
  return {};
}

void WorkerLink::Close(const Error& error) {
  loop_.Forget(socket_.get());
  socket_.Reset();
  in_flight_.clear();
  outgoing_.clear();
  unsent_.clear();
  *is_alive_ = false;
  events_.OnLinkClosed(error);
}

}  // namespace reeve::wire
