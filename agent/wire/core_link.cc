#include "agent/wire/core_link.h"

#include <malloc.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "base/check.h"

namespace reeve::wire {
namespace {

// A buffer above this is not kept for the next request.
constexpr size_t kMaxSpareBytes = 4u << 20;
// So small a buffer is not worth keeping apart.
constexpr size_t kMinTextBytes = 16 * 1024;

// No call of the kernel. What a plugin maps by itself is not in it; RLIMIT_DATA bounds that.
uint64_t HeapBytes() {
  const struct mallinfo2 heap = ::mallinfo2();
  return heap.arena + heap.hblkhd;
}

// What went wrong stands at the end of an error's text, behind a name that may be as long as the host likes.
std::string Shortened(std::string_view text) {
  if (text.size() <= kMaxTextBytes) return std::string(text);
  constexpr std::string_view kGap = "...";
  constexpr size_t kEndBytes = kMaxTextBytes / 2;
  return std::string(text.substr(0, kMaxTextBytes - kEndBytes - kGap.size()))
      .append(kGap)
      .append(text.substr(text.size() - kEndBytes));
}

bool IsCancel(const Packet& packet) {
  return packet.header.type == Type::kCancel;
}

}  // namespace

Result<std::unique_ptr<CoreLink>> CoreLink::Create(EventLoop& loop, UniqueFd socket, RingReader reader,
                                                   RingWriter writer, uint64_t generation, Events& events) {
  std::unique_ptr<CoreLink> link(
      new CoreLink(loop, std::move(socket), std::move(writer), std::move(reader), generation, events));
  CoreLink* const raw = link.get();
  REEVE_TRY(loop.Watch(raw->socket_.get(), EPOLLIN, [raw](uint32_t) { raw->OnReady(); }));
  Hello hello;
  std::memcpy(hello.build_id, BuildId(), sizeof hello.build_id);
  REEVE_TRY(wire::SendWaiting(raw->socket_.get(), raw->HeaderOf(Type::kHello), BytesOf(hello)));
  return link;
}

CoreLink::CoreLink(EventLoop& loop, UniqueFd socket, RingWriter writer, RingReader reader, uint64_t generation,
                   Events& events)
    : loop_(loop),
      socket_(std::move(socket)),
      writer_(std::move(writer)),
      reader_(std::move(reader)),
      generation_(generation),
      events_(events) {}

CoreLink::~CoreLink() {
  loop_.Cancel(deferred_timer_);
  loop_.Forget(socket_.get());
}

Header CoreLink::HeaderOf(Type type, uint64_t request_id) const {
  return {.type = type, .generation = generation_, .request_id = request_id};
}

CoreLink::Open& CoreLink::OpenRequest(uint64_t request_id) {
  const auto found = open_.find(request_id);
  REEVE_CHECK(found != open_.end());
  return found->second;
}

const std::atomic<bool>& CoreLink::cancel_flag(uint64_t request_id) const {
  return open_.at(request_id).is_cancelled;
}

// ---- from the core

void CoreLink::OnReady() {
  for (int i = 0; i < kPacketsPerTurn && !is_closed_; ++i) {
    while (!deferred_.empty() && !is_closed_) {
      const Packet packet = std::move(deferred_.front());
      deferred_.pop_front();
      const Status handled = Handle(packet);
      if (!handled) return Close(handled.error());
    }
    if (is_closed_) return;
    const Result<Packet> packet = Receive(socket_.get());
    if (!packet && packet.error().code() == Code::kUnavailable) break;
    Status handled = packet ? Check(*packet) : Status(Fail(packet.error()));
    if (handled) handled = Handle(*packet);
    if (!handled) return Close(handled.error());
    // A worker mostly has one request at a time: the call that would only say that there is no other is spared.
    if (!partial_ && deferred_.empty()) break;
  }
  TellCredit();
}

// What holds of every packet, and its credit, which counts at once even when the rest has to wait.
Status CoreLink::Check(const Packet& packet) {
  if (packet.header.generation != generation_) return Fail(Code::kBadMessage, "a message of another generation");
  if (!packet.fds.empty()) return Fail(Code::kBadMessage, "the core sent a descriptor");
  if (is_greeted_ == (packet.header.type == Type::kHello)) return Fail(Code::kBadMessage, "a greeting out of turn");
  Bytes tail;
  if (packet.header.type == Type::kConsumed) return writer_.Consumed(REEVE_TRY(packet.Read<Consumed>()).consumed);
  if (packet.header.type == Type::kRequest)
    return writer_.Consumed(REEVE_TRY(packet.Read<wire::Request>(&tail)).consumed);
  if (IsCancel(packet)) {
    const auto found = open_.find(packet.header.request_id);
    if (found != open_.end()) found->second.is_cancelled = true;
  }
  return {};
}

Status CoreLink::Handle(const Packet& packet) {
  switch (packet.header.type) {
    case Type::kHello: {
      const Hello hello = REEVE_TRY(packet.Read<Hello>());
      if (std::memcmp(hello.build_id, BuildId(), kBuildIdBytes) != 0)
        return Fail(Code::kBadMessage, "the core is of another build");
      is_greeted_ = true;
      return {};
    }
    case Type::kRequest:
      return HandleRequest(packet);
    case Type::kCancel: {
      const auto found = open_.find(packet.header.request_id);
      if (found != open_.end() && found->second.is_delivered) events_.OnCancel(packet.header.request_id);
      return {};
    }
    case Type::kSettled:
      events_.OnSettled(packet.header.request_id, REEVE_TRY(packet.Read<Settled>()).was_sent != 0);
      return {};
    case Type::kQuiet:
      events_.OnQuiet(REEVE_TRY(packet.Read<QuietNumber>()).number);
      return {};
    case Type::kPing: {
      const Pong pong{.heap_bytes = HeapBytes()};
      return SendWaiting(socket_.get(), HeaderOf(Type::kPong), BytesOf(pong));
    }
    case Type::kConsumed:
      return {};
    default:
      return Fail(Code::kBadMessage, "a message of a type that no core sends to a worker");
  }
}

Status CoreLink::HandleRequest(const Packet& packet) {
  Bytes tail;
  const wire::Request piece = REEVE_TRY(packet.Read<wire::Request>(&tail));
  const uint64_t id = packet.header.request_id;
  if (!partial_) {
    if (id == 0 || open_.contains(id) || open_.size() >= kMaxInFlight || piece.total_bytes > kMaxRequestBytes)
      return Fail(Code::kBadMessage, "a request that the core must not send");
    const RequestHead head{
        id, piece.command, piece.channel, piece.peer_kind, piece.peer_number, packet.header.deadline_ms};
    partial_.emplace(Partial{head, NewText(piece.total_bytes), piece.total_bytes});
    open_[id].head = head;
  }
  if (partial_->head.id != id || partial_->total_bytes != piece.total_bytes)
    return Fail(Code::kBadMessage, "pieces of two requests are mixed");
  REEVE_TRY(TakePiece(*partial_, piece, tail));
  if (partial_->received_bytes == partial_->total_bytes) Deliver();
  return {};
}

Status CoreLink::TakePiece(Partial& partial, const wire::Request& piece, Bytes tail) {
  const bool is_inline = piece.ring_offset == kInlineOffset;
  if (piece.piece_bytes > partial.total_bytes - partial.received_bytes ||
      tail.size() != (is_inline ? piece.piece_bytes : 0))
    return Fail(Code::kBadMessage, "a piece is longer than its request");
  // Without memory for the whole the pieces are still taken, so that the core goes on.
  RequestText dropped;
  if (partial.text.data == nullptr) dropped = {std::make_unique<char[]>(piece.piece_bytes), 0, 0};
  char* const place = dropped.data ? dropped.data.get() : partial.text.data.get() + partial.received_bytes;
  if (is_inline) {
    std::memcpy(place, tail.data(), tail.size());
  } else {
    REEVE_TRY(
        reader_.CopyOut(piece.ring_offset, piece.piece_bytes, {reinterpret_cast<uint8_t*>(place), piece.piece_bytes}));
  }
  partial.received_bytes += piece.piece_bytes;
  return {};
}

void CoreLink::Deliver() {
  Partial whole = std::move(*partial_);
  partial_.reset();
  whole.text.size = whole.total_bytes;
  open_.at(whole.head.id).is_delivered = true;
  events_.OnRequest(whole.head, std::move(whole.text));
}

RequestText CoreLink::NewText(uint64_t bytes) {
  if (spare_.capacity >= bytes && spare_.data != nullptr) return std::exchange(spare_, {});
  const size_t capacity = std::max<size_t>(bytes, kMinTextBytes);
  return {std::unique_ptr<char[]>(new (std::nothrow) char[capacity]), capacity, 0};
}

void CoreLink::Recycle(RequestText text) {
  if (text.capacity <= kMaxSpareBytes && text.capacity > spare_.capacity) spare_ = std::move(text);
}

void CoreLink::TellCredit() {
  if (is_closed_ || !reader_.owes_credit()) return;
  const Consumed credit{.consumed = reader_.consumed()};
  if (SendWaiting(socket_.get(), HeaderOf(Type::kConsumed), BytesOf(credit))) reader_.Told();
}

void CoreLink::Close(const Error& error) {
  is_closed_ = true;
  loop_.Forget(socket_.get());
  events_.OnLinkClosed(error);
}

// ---- to the core

Status CoreLink::ReadWhileWaiting() {
  Packet packet = REEVE_TRY(ReceiveWaiting(socket_.get()));
  REEVE_TRY(Check(packet));
  if (packet.header.type == Type::kConsumed) return {};
  deferred_.push_back(std::move(packet));
  // The socket may stay silent: the loop has to come back to these by itself.
  loop_.Cancel(deferred_timer_);
  deferred_timer_ = loop_.After({}, [this] { OnReady(); });
  return {};
}

Result<std::span<uint8_t>> CoreLink::WaitForRoom(Open& request, uint64_t wanted) {
  while (true) {
    if (is_closed_) return Fail(Code::kClosed, "the core is gone");
    if (request.is_cancelled) return Fail(Code::kUnavailable, "the request was cancelled");
    const auto room = writer_.Reserve(static_cast<uint32_t>(std::min<uint64_t>(wanted, kMaxPieceBytes)));
    if (!room.empty()) return room;
    const Status read = ReadWhileWaiting();
    if (!read) return Fail(read.error());
  }
}

Status CoreLink::SendCommitted(const Open& request, uint32_t count) {
  if (is_closed_) return Fail(Code::kClosed, "the core is gone");
  const ReplyPiece piece{.ring_offset = writer_.Commit(count), .piece_bytes = count, .consumed = reader_.consumed()};
  REEVE_TRY(SendWaiting(socket_.get(), HeaderOf(Type::kReply, request.head.id), BytesOf(piece)));
  reader_.Told();
  return {};
}

Result<std::span<uint8_t>> CoreLink::Reserve(uint64_t request_id, uint64_t wanted) {
  Open& request = OpenRequest(request_id);
  if (request.written_bytes + request.pending.size() + wanted > kMaxReplyBytes)
    return Fail(Code::kTooLarge, "a reply above its limit");
  while (true) {
    // What is pending stands in front of the new bytes, so both are one piece.
    const std::span<uint8_t> room = REEVE_TRY(WaitForRoom(request, request.pending.size() + wanted));
    const size_t in_front = std::min(room.size(), request.pending.size());
    std::memcpy(room.data(), request.pending.data(), in_front);
    if (room.size() > in_front) return room.subspan(in_front);
    REEVE_TRY(SendCommitted(request, static_cast<uint32_t>(in_front)));
    request.written_bytes += in_front;
    request.pending.erase(0, in_front);
  }
}

Status CoreLink::Commit(uint64_t request_id, size_t count) {
  if (count == 0) return {};
  Open& request = OpenRequest(request_id);
  const size_t piece_bytes = request.pending.size() + count;
  REEVE_TRY(SendCommitted(request, static_cast<uint32_t>(piece_bytes)));
  request.written_bytes += piece_bytes;
  request.pending.clear();
  return {};
}

Status CoreLink::Write(uint64_t request_id, Bytes json) {
  Open& request = OpenRequest(request_id);
  if (request.is_cancelled) return Fail(Code::kUnavailable, "the request was cancelled");
  while (request.pending.size() + json.size() > kMaxInlineBytes) {
    const std::span<uint8_t> room = REEVE_TRY(Reserve(request_id, json.size()));
    const size_t count = std::min(room.size(), json.size());
    std::memcpy(room.data(), json.data(), count);
    REEVE_TRY(Commit(request_id, count));
    json = json.subspan(count);
  }
  request.pending.append(AsText(json));
  return {};
}

void CoreLink::Finish(uint64_t request_id, int32_t status, std::string_view text) {
  Open& request = OpenRequest(request_id);
  const bool is_success = status == 0;
  const std::string tail = is_success ? std::move(request.pending) : Shortened(text);
  const ReplyEnd end{.status = status,
                     .text_bytes = static_cast<uint32_t>(tail.size()),
                     .total_bytes = request.written_bytes + (is_success ? tail.size() : 0),
                     .consumed = reader_.consumed()};
  // A core that is gone is noticed by the loop; there is nobody to tell here.
  if (!is_closed_ && SendWaiting(socket_.get(), HeaderOf(Type::kReplyEnd, request_id), BytesOf(end), AsBytes(tail)))
    reader_.Told();
  open_.erase(request_id);
}

void CoreLink::WantSettled(uint64_t request_id) {
  static_cast<void>(SendWaiting(socket_.get(), HeaderOf(Type::kWantSettled, request_id), {}));
}

void CoreLink::Hold(uint64_t held) {
  const wire::Hold payload{.held = held};
  static_cast<void>(SendWaiting(socket_.get(), HeaderOf(Type::kHold), BytesOf(payload)));
}

void CoreLink::NoteFreeze(uint64_t time_left_ms, std::string_view why) {
  why = why.substr(0, kMaxFreezeTextBytes);
  const FreezeNote note{.time_left_ms = time_left_ms, .text_bytes = static_cast<uint32_t>(why.size())};
  static_cast<void>(SendWaiting(socket_.get(), HeaderOf(Type::kFreezeNote), BytesOf(note), AsBytes(why)));
}

void CoreLink::Quiesce(uint64_t number) {
  const QuietNumber payload{.number = number};
  static_cast<void>(SendWaiting(socket_.get(), HeaderOf(Type::kQuiesce), BytesOf(payload)));
}

void CoreLink::Renew() {
  static_cast<void>(SendWaiting(socket_.get(), HeaderOf(Type::kRenew), {}));
}

CoreLink::Rings CoreLink::GiveUp() {
  is_closed_ = true;
  loop_.Cancel(std::exchange(deferred_timer_, 0));
  loop_.Forget(socket_.get());
  deferred_.clear();
  partial_.reset();
  reader_.Restart();
  writer_.Restart();
  return {std::move(reader_), std::move(writer_)};
}

bool CoreLink::Log(Severity severity, std::string_view text) {
  const std::string_view cut = text.substr(0, kMaxTextBytes);
  const LogLine line{.severity = static_cast<uint32_t>(severity), .text_bytes = static_cast<uint32_t>(cut.size())};
  return wire::Send(socket_.get(), HeaderOf(Type::kLogLine), BytesOf(line), AsBytes(cut)).has_value();
}

}  // namespace reeve::wire
