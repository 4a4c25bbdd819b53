#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <list>
#include <optional>
#include <string>

#include "agent/protocol_session.h"
#include "agent/qmp/request_reader.h"

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

using qmp::InputError;
using qmp::Item;
using qmp::RequestReader;

// One connection of protocol `qga`.
//
// - Strictly serial: one request of the connection is with the Executor at a time, the next starts when it was
//   answered. Replies leave in the order of the requests, one line each, and nothing else is ever sent.
// - A guest-sync or guest-sync-delimited that had to wait `sync_timeout` overtakes: it is executed and answered, the
//   replies of all requests before it are dropped when they come. Those requests are still executed, in their
//   order, and what follows the sync runs beside them; the Executor is told that each is abandoned. 0xFF stands
//   directly before a successful guest-sync-delimited reply.
// - The same happens to all requests when the connection closes.
class Session final : public ProtocolSession {
 public:
  // `executor` must outlive the session.
  Session(SessionOptions options, Executor& executor);
  ~Session() override;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void TakeInput(Bytes bytes, RunningTime now) override;
  bool wants_input() const override;
  size_t partial_bytes() const override { return reader_.partial_bytes(); }
  // The error takes its turn among the replies.
  void RefusePartial(std::string description, RunningTime now) override;
  const ByteQueue& output() const override { return output_; }
  void ConsumeOutput(size_t count, RunningTime now) override;
  // Output queued by now is dropped (but for the rest of a line already begun), never a request; what is half read
  // dies when it has not grown for 1 s, or at LF, 0xFF or a control byte.
  void HangUp(RunningTime now) override;
  // Drops queued output but for the rest of a line already begun. On a serial port the session does so by
  // itself at a sync, when its reader has taken nothing for `sync_timeout`.
  void DropQueuedOutput();
  void Close() override;
  bool is_idle() const override;

  void Answer(uint64_t token, Reply reply, RunningTime now) override;

  std::optional<RunningTime> NextWake() const override;
  void OnTime(RunningTime now) override;
  // By `stall_timeout`. (On a serial port OnTime() drops the queued output and treats what is pending as after an
  // overtaking sync.)
  bool ShouldClose(RunningTime now) const override;

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
