#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agent/wire/packet.h"
#include "agent/wire/ring.h"
#include "base/byte_queue.h"
#include "base/event_loop.h"
#include "base/log.h"

namespace reeve::wire {

// Who asks what of a worker.
struct RequestHead {
  uint64_t id = 0;       // never 0, never used again with this worker
  uint32_t command = 0;  // index into the plugin's commands, as the manifest lists them
  uint32_t channel = 0;
  uint32_t peer_kind = 0;  // policy::Caller::PeerKind
  uint32_t peer_number = 0;
  uint32_t deadline_ms = 0;  // 0: none
};

// No request or reply is longer than these; base64 of 48 MiB is 64 MiB.
inline constexpr uint64_t kMaxRequestBytes = 80ull << 20;
inline constexpr uint64_t kMaxReplyBytes = 128ull << 20;

// Packets handled before the loop looks at others.
inline constexpr int kPacketsPerTurn = 64;

// The descriptors that come with kWorkerStarted.
struct WorkerChannel {
  UniqueFd socket;     // to the worker
  UniqueFd ring_to;    // requests
  UniqueFd ring_from;  // replies
};

// The core's side of core <-> worker: sends requests, collects replies, never waits. Not thread-safe; on the loop's
// thread. The worker is not trusted: its first wrong message closes the link.
class WorkerLink {
 public:
  // All calls come from the loop, never from within a function of WorkerLink.
  class Events {
   public:
    virtual ~Events() = default;
    // More of the reply's JSON, in this process's own memory, good until the call returns. At most kMaxReplyBytes in
    // all, but not checked in any other way.
    virtual void OnReplyPiece(uint64_t request_id, Bytes piece) = 0;
    // The end, once per request that was sent. `status` 0: the pieces are the value; no pieces mean `{}`. Else an error
    // of plugin-api (reeve/plugin.h): drop the pieces; `text` is not trusted, at most kMaxTextBytes.
    // `wants_settled`: Settle is to be called once it is known whether the host got it.
    virtual void OnReplyEnd(uint64_t request_id, int32_t status, std::string_view text, bool wants_settled) = 0;
    // How much state the plugin holds now. While it is not 0 the worker is not stopped for being idle.
    virtual void OnHold(uint64_t held) = 0;
    // What the freezing plugin says of its freeze; `why` is empty unless it ends. Worth anything of that plugin only.
    virtual void OnFreezeNote(uint64_t time_left_ms, std::string_view why) = 0;
    // The freezing plugin wants to know when no line is written any more: Quiet(number) is due then.
    virtual void OnQuiesce(uint64_t number) = 0;
    // Another process is to take this one's place.
    virtual void OnRenew() = 0;
    // The answer to Ping: the worker's loop turns. `heap_bytes` is what it says of itself.
    virtual void OnPong(uint64_t heap_bytes) = 0;
    // Not trusted, and not rate-limited here.
    virtual void OnLogLine(Severity severity, std::string_view text) = 0;
    // The worker is gone (kClosed) or broke the protocol (kBadMessage): the last call. What was in flight gets no
    // OnReplyEnd. The link may be destroyed within this call.
    virtual void OnLinkClosed(const Error& error) = 0;
  };

  // `loop` and `events` are lent for the link's life. `generation` stands in every message of both sides.
  static Result<std::unique_ptr<WorkerLink>> Create(EventLoop& loop, WorkerChannel channel, uint64_t generation,
                                                    Events& events);
  ~WorkerLink();
  WorkerLink(const WorkerLink&) = delete;
  WorkerLink& operator=(const WorkerLink&) = delete;

  // Queues a request; its pieces go out as the worker makes room, after those of earlier requests. Fails with
  // kUnavailable when kMaxInFlight are unanswered, kTooLarge above kMaxRequestBytes, kClosed after OnLinkClosed.
  Status Send(const RequestHead& head, ByteQueue arguments);
  // Tells the worker to give the request up. True: OnReplyEnd still comes (or the worker must be killed). False: it was
  // never begun or is not in flight; nothing comes.
  bool Cancel(uint64_t request_id);
  // After OnReplyEnd with wants_settled: the reply was handed to the host's transport, or dropped.
  void Settle(uint64_t request_id, bool was_sent);

  // REQUIRES: nothing is in flight, and no OnPong is due.
  void Ping();
  // The worker has ended, as another source tells: what it said before is given to Events now. The link may be destroyed
  // within this call.
  void ReadLastWords();

  // The answer to OnQuiesce.
  void Quiet(uint64_t number);

  size_t in_flight() const { return in_flight_.size(); }

 private:
  struct Outgoing {
    RequestHead head;
    ByteQueue arguments;
    uint64_t total_bytes = 0;
    bool is_begun = false;
  };
  struct Incoming {
    uint64_t received_bytes = 0;
    bool wants_settled = false;
  };

  struct Unsent {
    Header header;
    std::vector<uint8_t> payload;
  };
  struct NoPayload {};

  WorkerLink(EventLoop& loop, UniqueFd socket, RingWriter writer, RingReader reader, uint64_t generation,
             Events& events);
  void OnReady(uint32_t ready);
  void ReadPackets();
  Status Handle(const Packet& packet);
  Status HandleReplyPiece(const Packet& packet);
  Status HandleReplyEnd(const Packet& packet);
  Status HandleFreezeNote(const Packet& packet);
  Status HandleLogLine(const Packet& packet);
  Result<Incoming*> InFlight(uint64_t request_id);
  void SendPieces();
  bool SendOnePiece(Outgoing& request);
  template <typename Payload>
  void Put(const Header& header, const Payload& payload, std::string_view tail = {});
  void Flush();
  void Close(const Error& error);
  Header HeaderOf(Type type, uint64_t request_id = 0) const;

  EventLoop& loop_;
  UniqueFd socket_;
  RingWriter writer_;
  RingReader reader_;
  uint64_t generation_;
  Events& events_;
  bool is_pong_due_ = false;
  bool is_greeted_ = false;  // the worker's kHello has come
  std::deque<Outgoing> outgoing_;
  std::deque<Unsent> unsent_;  // what the socket did not take
  std::unordered_map<uint64_t, Incoming> in_flight_;
  std::vector<uint8_t> scratch_;    // a reply's piece, copied out of the ring
  std::shared_ptr<bool> is_alive_;  // false once closed or destroyed, which a callback may do
};

}  // namespace reeve::wire
