#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include "agent/wire/packet.h"
#include "agent/wire/ring.h"
#include "agent/wire/worker_link.h"
#include "base/event_loop.h"
#include "base/log.h"

namespace reeve::wire {

// A request's JSON in the worker's own memory. No data: there was not enough memory for it.
struct RequestText {
  std::unique_ptr<char[]> data;
  size_t capacity = 0;
  size_t size = 0;
  std::string_view view() const { return {data.get(), size}; }
};

// The worker's side of core <-> worker: puts requests together, sends replies. Unlike the core's side it waits while
// the core is behind, inside Write and Reserve: the core never waits for a worker, so that ends. Not thread-safe; on
// the loop's thread.
class CoreLink {
 public:
  // All calls come from the loop.
  class Events {
   public:
    virtual ~Events() = default;
    // A whole request. It is to be finished exactly once, now or later, also when it is cancelled already.
    virtual void OnRequest(const RequestHead& head, RequestText text) = 0;
    // For a request that OnRequest has delivered and that is not finished.
    virtual void OnCancel(uint64_t request_id) = 0;
    virtual void OnSettled(uint64_t request_id, bool was_sent) = 0;
    // The answer to Quiesce.
    virtual void OnQuiet(uint64_t number) = 0;
    // kClosed: the core is gone. kBadMessage: it is not what it should be. The last call.
    virtual void OnLinkClosed(const Error& error) = 0;
  };

  // `loop` and `events` are lent for the link's life. The rings come mapped: a worker's run sandbox maps no file.
  static Result<std::unique_ptr<CoreLink>> Create(EventLoop& loop, UniqueFd socket, RingReader reader,
                                                  RingWriter writer, uint64_t generation, Events& events);
  ~CoreLink();
  CoreLink(const CoreLink&) = delete;
  CoreLink& operator=(const CoreLink&) = delete;

  // More of the reply's JSON. Fails with kUnavailable when the request was cancelled, kTooLarge above kMaxReplyBytes,
  // kClosed when the core is gone. REQUIRES, as all below: the request is not finished.
  Status Write(uint64_t request_id, Bytes json);
  // The same without a copy: at least 1 and at most `wanted` bytes of room, good until Commit, which must come before
  // any other call. REQUIRES: wanted > 0.
  Result<std::span<uint8_t>> Reserve(uint64_t request_id, uint64_t wanted);
  Status Commit(uint64_t request_id, size_t count);
  // `status` 0, or an error of plugin-api with its text; a longer text than kMaxTextBytes is cut.
  void Finish(uint64_t request_id, int32_t status, std::string_view text);
  void WantSettled(uint64_t request_id);
  // True once it was cancelled. The flag itself may be read by any thread until the request is finished.
  const std::atomic<bool>& cancel_flag(uint64_t request_id) const;

  void Hold(uint64_t held);
  // `why` is empty when nothing ended; a longer one than kMaxFreezeTextBytes is cut.
  void NoteFreeze(uint64_t time_left_ms, std::string_view why);
  void Quiesce(uint64_t number);
  void Renew();
  // False: the socket is full or closed, the line was not sent. From any thread.
  bool Log(Severity severity, std::string_view text);

  // Gives a request's memory back, so that the next of its size touches no fresh page.
  void Recycle(RequestText text);

  struct Rings {
    RingReader reader;
    RingWriter writer;
  };
  // The core is gone, and another will use the rings, from their beginning. What is still asked of this fails with
  // kClosed or does nothing; OnLinkClosed does not come any more.
  Rings GiveUp();

 private:
  struct Open {
    RequestHead head;
    bool is_delivered = false;
    std::atomic<bool> is_cancelled = false;
    uint64_t written_bytes = 0;  // sent in pieces
    std::string pending;         // written and not sent: at most kMaxInlineBytes
  };
  struct Partial {
    RequestHead head;
    RequestText text;
    uint64_t total_bytes = 0;
    uint64_t received_bytes = 0;
  };

  CoreLink(EventLoop& loop, UniqueFd socket, RingWriter writer, RingReader reader, uint64_t generation, Events& events);
  void OnReady();
  Status Check(const Packet& packet);
  Status Handle(const Packet& packet);
  Status HandleRequest(const Packet& packet);
  Status TakePiece(Partial& partial, const wire::Request& piece, Bytes tail);
  void Deliver();
  RequestText NewText(uint64_t bytes);
  Result<std::span<uint8_t>> WaitForRoom(Open& request, uint64_t wanted);
  Status ReadWhileWaiting();
  Status SendCommitted(const Open& request, uint32_t count);
  Open& OpenRequest(uint64_t request_id);
  Header HeaderOf(Type type, uint64_t request_id = 0) const;
  void TellCredit();
  void Close(const Error& error);

  EventLoop& loop_;
  UniqueFd socket_;
  RingWriter writer_;
  RingReader reader_;
  uint64_t generation_;
  Events& events_;
  bool is_greeted_ = false;
  bool is_closed_ = false;
  std::deque<Packet> deferred_;  // came while a reply waited for room; credits and cancels of them are taken already
  EventLoop::TimerId deferred_timer_ = 0;
  std::optional<Partial> partial_;  // pieces of one request come in a row
  std::unordered_map<uint64_t, Open> open_;
  RequestText spare_;
};

}  // namespace reeve::wire
