#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "agent/core/crash_book.h"
#include "agent/core/crashing_requests.h"
#include "agent/core/deadline_book.h"
#include "agent/core/freeze_state.h"
#include "agent/core/memory_budget.h"
#include "agent/core/warden_link.h"
#include "agent/core/worker_call.h"
#include "agent/core/worker_health.h"
#include "agent/core/worker_status.h"
#include "agent/wire/worker_link.h"
#include "base/event_loop.h"
#include "base/json_reemitter.h"
#include "base/log_limiter.h"

namespace reeve::core {

// Requests that wait for one worker while it starts or has its hands full. Each connection has one request out at a
// time, so more than this is a flood of connections.
inline constexpr size_t kMaxWaitingForWorker = 256;
// So many of the calls that a worker has in its hands may be of commands that wait for a program: those last, and the
// others must get through.
inline constexpr size_t kMaxProgramCalls = wire::kMaxInFlight - 8;
// From the cancellation at the deadline to the worker's end.
inline constexpr std::chrono::milliseconds kCancelGrace{500};
// A worker that closed its socket has so long to end by itself, and the warden to say how it did.
inline constexpr std::chrono::milliseconds kEndPatience{200};

// A worker that is to be recycled is stopped in a pause of this length, so that no burst of requests meets its start.
inline constexpr std::chrono::milliseconds kRecycleRest{100};

// While something is frozen its worker is started at once, whatever happened before; after so many crashes of late, or
// when it could not be started, after this pause, so that nothing spins.
inline constexpr std::chrono::milliseconds kThawRetryPause{250};
inline constexpr uint64_t kThawCrashesAtOnce = 5;

// What all slots share. Lent for their life.
struct SlotContext {
  EventLoop& loop;
  WorkerRequests& warden;
  FreezeState& freeze;
  uint64_t generation = 0;
  MemoryBudget memory = MemoryBudget(0);
  policy::RestartRules restart = {};
};

// The one worker of one plugin: started on first use, asked to end when it idles, started again on the next use after
// it ended, as its crashes allow. Every call is answered exactly once, whatever becomes of the worker. Not thread-safe.
class WorkerSlot final : public wire::WorkerLink::Events {
 public:
  // `context` and `plugin` are lent for the life of this.
  WorkerSlot(const SlotContext& context, uint32_t plugin_index, const config::Plugin& plugin);
  ~WorkerSlot() override;
  WorkerSlot(const WorkerSlot&) = delete;
  WorkerSlot& operator=(const WorkerSlot&) = delete;

  // --- from the pool ---

  // `id` is never used again.
  void Call(uint64_t id, WorkerCall call);
  // As WorkerCalls::Abandon.
  void Abandon(const CallOrigin& origin);
  // The warden has room again for announcements.
  void Pump();

  // --- from the warden ---

  void OnStarted(const wire::WorkerStarted& started, wire::WorkerChannel channel);
  void OnEnded(const wire::WorkerEnded& ended, std::string_view why);
  // Starts it if it is to run now.
  void StartIfNeeded();

  bool is_idle() const { return calls_.empty(); }
  WorkerStatus status() const;

  // --- from the worker ---

  void OnReplyPiece(uint64_t request_id, Bytes piece) override;
  void OnReplyEnd(uint64_t request_id, int32_t status, std::string_view text, bool wants_settled) override;
  void OnHold(uint64_t held) override;
  void OnFreezeNote(uint64_t time_left_ms, std::string_view why) override;
  void OnQuiesce(uint64_t number) override;
  void OnRenew() override;
  void OnPong(uint64_t heap_bytes) override;
  void OnLogLine(Severity severity, std::string_view text) override;
  void OnLinkClosed(const Error& error) override;

 private:
  enum class State : uint8_t { kStopped, kStarting, kServing, kStopping };
  enum class Phase : uint8_t { kWaiting, kSent, kCancelled };
  struct Pending {
    WorkerCall call;
    Phase phase = Phase::kWaiting;
    RunningTime due_at{0};  // its entry in deadlines_; 0: none
    bool is_announced = false;
    bool was_retried = false;
    std::optional<RequestPrint> print;
    std::string arguments_again;  // of an idempotent command, for the second try
    json::Reemitter reemitter;
    ByteQueue reply;
    std::string reply_error;  // why the reply cannot be given on
    bool has_reply = false;
  };
  using Calls = std::unordered_map<uint64_t, Pending>;
  // Why the worker is being stopped.
  struct Stop {
    bool is_crash = false;
    std::string why;
  };

  std::string WorkerName() const { return "worker " + plugin_.name; }
  void SetDue(uint64_t id, Pending& pending, RunningTime at);
  void OnDeadline(uint64_t id);
  bool MayBeTried(uint64_t id, Pending& pending);
  void TakePrint(Pending& pending);
  bool IsWanted() const;
  bool IsNeededToThaw() const;
  bool HasPrecedence() const;
  void Start();
  void DropLink();
  void StopWorker(Stop stop);
  void NoteEnd(const wire::WorkerEnded& ended, const std::string& text);
  void NoteCrash(const std::string& text);
  std::deque<uint64_t>::iterator NextWaiting();
  bool SendNext(std::deque<uint64_t>::iterator next);
  Status AnnounceCall(uint64_t id, Pending& pending);
  Status SendCall(uint64_t id, Pending& pending);
  uint32_t RemainingMs(const Pending& pending) const;
  bool MayRetry(const Pending& pending) const;
  bool Finish(uint64_t id, Reply reply);
  void Fail(uint64_t id, std::string description);
  void FailWaiting(const std::string& description);
  void SettleInFlight(const std::string& why);
  void SendPing();
  void OnPongOverdue();
  std::string NoJson(const Error& error) const;
  Reply ReplyOf(Pending& pending, int32_t status, std::string_view text) const;
  RunningTime IdleLimit() const;
  bool IsToBeRenewedNow() const;
  void WatchIdleness();
  void OnIdleTimer();

  const SlotContext& context_;
  const uint32_t plugin_index_;
  const config::Plugin& plugin_;
  State state_ = State::kStopped;
  uint32_t worker_ = 0;  // the warden's number of it
  uint32_t pid_ = 0;     // 0: none
  uint64_t start_count_ = 0;
  std::unique_ptr<wire::WorkerLink> link_;
  Calls calls_;
  std::deque<uint64_t> waiting_;
  DeadlineBook deadlines_;
  uint64_t alone_ = 0;  // a second try that is out: nothing else goes beside it, or it would share the blame
  uint64_t held_ = 0;
  LogLimiter log_limiter_;
  WorkerHealth health_;
  CrashBook crashes_;
  CrashingRequests crashing_;
  std::optional<Stop> stop_;
  EventLoop::TimerId idle_timer_ = 0;
  RunningTime idle_timer_limit_{0};
  EventLoop::TimerId start_timer_ = 0;
  RunningTime thaw_retry_at_{0};
  EventLoop::TimerId pong_timer_ = 0;
  EventLoop::TimerId end_timer_ = 0;
};

// "killed by signal 9", "exited with status 1": what a wait status says.
std::string EndText(int wait_status);

}  // namespace reeve::core
