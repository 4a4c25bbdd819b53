#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <list>
#include <optional>
#include <string>

#include "agent/qga/request_reader.h"
#include "agent/request.h"
#include "base/byte_queue.h"
#include "base/bytes.h"
#include "base/clock.h"

namespace reeve::qga {

// At most this many requests of one connection wait behind the one that runs; the next is refused with an
// error. Real clients keep one or two in flight (sync and command); what piles up is a script, and each may
// hold 64 MiB.
inline constexpr size_t kMaxWaiting = 32;
// At most this many replies are owed, error lines and refusals included. What comes above it while a slow
// command runs is dropped without a reply; only a sync is still taken, and overtakes at once. Bounds a flood
// of small lines.
inline constexpr size_t kMaxOwed = 1024;
// While more output than this stands unread, no input is wanted and no further request of the connection
// starts. So a client that does not read costs at most this and one largest reply; large enough to keep a
// reader of 100 pipelined small replies, or of 1 MiB file pieces, busy while the next is computed.
inline constexpr size_t kMaxQueuedOutputBytes = 2 * 1024 * 1024;

struct SessionOptions {
  // How long a sync waits for earlier requests before it overtakes them; no value: for ever, as qemu-ga.
  std::optional<std::chrono::milliseconds> sync_timeout{500};
  // The medium is one serial port for all clients, one after the other, and cannot be closed for one of them.
  bool is_serial = false;
  // A client that leaves more than kMaxQueuedOutputBytes unread and takes no byte for this long has given up.
  std::chrono::milliseconds stall_timeout{30'000};
};

// One connection of protocol `qga`: bytes in, requests out; replies in, bytes out. It knows no descriptor, no
// loop and no clock: time is passed in and must not go back. Not thread-safe; owned by the core.
//
// - Strictly serial: one request of the connection is with the Executor at a time, the next starts when it
// was
//   answered. Replies leave in the order of the requests, one line each, and nothing else is ever sent.
// - A guest-sync or guest-sync-delimited that had to wait `sync_timeout` overtakes: it is executed and
// answered, the
//   replies of all requests before it are dropped when they come. Those requests are still executed, in their
//   order, and what follows the sync runs beside them. 0xFF stands directly before a successful
//   guest-sync-delimited reply.
// - The same happens to all requests when the connection closes.
class Session {
 public:
  // Who carries requests out: the core.
  class Executor {
   public:
    virtual ~Executor() = default;
    // Carry out `request`; deadlines count from `arrived`, since when it may have waited (thaw has none).
    // Answer it by exactly one Session::Answer(token, ...), from within this call or later. Must not call the
    // session otherwise. Tokens are unique within a session and grow.
    virtual void Execute(uint64_t token, Request request, RunningTime arrived) = 0;
  };

  // `executor` must outlive the session.
  Session(SessionOptions options, Executor& executor);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // --- from the transport ---

  // Bytes as they were read, in any portions. They are always taken whole: what comes after too much output
  // was made is kept as bytes until there is room again.
  void TakeInput(Bytes bytes, RunningTime now);
  // Whether to read on. False while too much output stands unread, and after Close().
  bool wants_input() const;
  // How many bytes of a request that is not complete are held.
  size_t partial_bytes() const { return reader_.partial_bytes(); }
  // Answers that request by an error in its turn, and skips the rest of it.
  void RefusePartial(std::string description, RunningTime now);
  // Bytes to be written, oldest first; what was written is taken off by ConsumeOutput().
  const ByteQueue& output() const { return output_; }
  void ConsumeOutput(size_t count, RunningTime now);
  // The serial port showed a hang-up; the next client's first bytes may have come before it. Output queued by
  // now is dropped (but for the rest of a line already begun), never a request; what is half read dies when
  // it has not grown for 1 s, or at LF, 0xFF or a control byte.
  void HangUp(RunningTime now);
  // Drops queued output but for the rest of a line already begun. On a serial port the session does so by
  // itself at a sync, when its reader has taken nothing for `sync_timeout`.
  void DropQueuedOutput();
  // The connection is gone: output is dropped, pending requests are still carried out, their replies dropped.
  // Answer() is still to be called; the session may be destroyed once is_idle().
  void Close();
  // No request runs or waits.
  bool is_idle() const;

  // --- from the core ---

  // The answer to Execute(token). A token that is unknown or was answered is a mistake of the caller's.
  void Answer(uint64_t token, Reply reply, RunningTime now);

  // --- time ---

  // When OnTime() is to be called at the latest; no value: nothing is waited for. Ask again after each call
  // above.
  std::optional<RunningTime> NextWake() const;
  void OnTime(RunningTime now);
  // The client has given up by `stall_timeout` and this is not a serial port: the core closes the connection.
  // (On a serial port OnTime() drops the queued output and treats what is pending as after an overtaking
  // sync.)
  bool ShouldClose(RunningTime now) const;

 private:
  struct Entry {
    enum class State : uint8_t { kWaiting, kRunning, kAnswered };
    State state = State::kWaiting;
    bool is_sync = false;
    bool is_delimited = false;
    uint64_t token = 0;
    RunningTime arrived{0};
    Request request;                // given away when it starts
    std::optional<json::Value> id;  // kept for the reply
    Reply reply;                    // once kAnswered
  };
  // Requests that run one after the other.
  using Lane = std::deque<Entry>;

  void ClearOutput();
  void Digest(Bytes bytes, RunningTime now);
  void DigestKept(RunningTime now);
  void TakeRequest(Request request, RunningTime now);
  void Owe(InputError error, RunningTime now);
  size_t CountWaiting() const;
  void Pump(RunningTime now);
  bool PumpLive(RunningTime now);
  bool PumpAbandoned();
  void Start(Entry& entry);
  Entry* FindRunning(uint64_t token);
  void Abandon(size_t count);
  void Emit(Entry& entry, RunningTime now);
  bool IsFull() const;
  std::optional<size_t> FindBlockedSync() const;
  RunningTime PatienceEnd(const Entry& sync) const;
  std::optional<RunningTime> StallEnd() const;
  void DropDeadPartial(RunningTime now);

  const SessionOptions options_;
  Executor& executor_;
  RequestReader reader_;
  Lane live_;                  // requests whose replies are owed
  std::list<Lane> abandoned_;  // requests whose replies will be dropped; each lane runs on its own
  std::string kept_input_;     // not looked at yet, because of too much output
  uint64_t last_token_ = 0;
  bool is_pumping_ = false;
  bool is_closed_ = false;
  std::optional<RunningTime> partial_dies_at_;  // set after a hang-up amid a request

  ByteQueue output_;
  uint64_t appended_ = 0;           // bytes ever put into output_, and not dropped
  uint64_t taken_off_ = 0;          // bytes ever written
  uint64_t line_begin_ = 0;         // of the first line in output_, counted likewise
  std::deque<uint64_t> line_ends_;  // of the lines in output_
  RunningTime progress_{0};         // when output_ began to be filled, or was last written from
  RunningTime released_at_{0};      // when the client last made room
};

}  // namespace reeve::qga
