#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>

#include "agent/protocol_session.h"
#include "agent/qmp/request_reader.h"

// Protocol `reeve`. Its namespace is `native`, since `reeve` is the name of the whole.

namespace reeve::native {

// Requests of one connection that are carried out at a time. What comes above it is refused with an error, and its client
// may send it again.
inline constexpr size_t kMaxRunning = 32;
// While more output than this stands unread, no input is wanted and no further request of the connection starts.
inline constexpr size_t kMaxQueuedOutputBytes = 2 * 1024 * 1024;

struct SessionOptions {
  // A longer request is refused before it stands in memory.
  size_t max_request_bytes = 64 * 1024;
  // A client that leaves more than kMaxQueuedOutputBytes unread and takes no byte for this long has given up.
  std::chrono::milliseconds stall_timeout{30'000};
};

// One connection of protocol `reeve`: requests and replies in QMP's form, one reply a request, and nothing else.
//
// - Each request starts when it has come in whole, beside those that run. Replies leave in the order in which they are
//   ready; a client that has several requests under way gives each an `id`, which its reply repeats.
// - No request waits for another, so nothing overtakes and there is no sync.
// - For connections only: a serial port, which many clients share, is not offered.
class Session final : public ProtocolSession {
 public:
  // `executor` must outlive the session.
  Session(SessionOptions options, Executor& executor) : options_(options), executor_(executor) {}
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void TakeInput(Bytes bytes, RunningTime now) override;
  bool wants_input() const override { return !is_closed_ && !IsFull(); }
  size_t partial_bytes() const override { return reader_.partial_bytes(); }
  void RefusePartial(std::string description, RunningTime now) override;
  const ByteQueue& output() const override { return output_; }
  void ConsumeOutput(size_t count, RunningTime now) override;
  void HangUp(RunningTime now) override;
  void Close() override;
  bool is_idle() const override { return ids_.empty(); }

  void Answer(uint64_t token, Reply reply, RunningTime now) override;

  std::optional<RunningTime> NextWake() const override;
  void OnTime(RunningTime) override {}
  bool ShouldClose(RunningTime now) const override;

 private:
  bool IsFull() const { return output_.size() > kMaxQueuedOutputBytes; }
  void Digest(Bytes bytes, RunningTime now);
  void Start(Request request, RunningTime now);
  void Emit(Reply reply, const std::optional<json::Value>& id, RunningTime now);

  const SessionOptions options_;
  Executor& executor_;
  qmp::RequestReader reader_;
  std::string kept_input_;                                        // not looked at yet, because of too much output
  std::unordered_map<uint64_t, std::optional<json::Value>> ids_;  // by token, of what runs
  uint64_t last_token_ = 0;
  bool is_closed_ = false;
  ByteQueue output_;
  RunningTime progress_{0};  // when output_ began to be filled, or was last written from
};

}  // namespace reeve::native
