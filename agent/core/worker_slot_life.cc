#include <sys/wait.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "agent/core/worker_slot.h"
#include "base/log.h"

// The worker's life: when it starts, why it ends, and what that means for the requests. Its calls stand in worker_slot.cc.

namespace reeve::core {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;

}  // namespace

std::string EndText(int wait_status) {
  if (WIFSIGNALED(wait_status)) return "killed by signal " + std::to_string(WTERMSIG(wait_status));
  return "exited with status " + std::to_string(WEXITSTATUS(wait_status));
}

WorkerStatus WorkerSlot::status() const {
  static constexpr WorkerStatus::State kStates[] = {WorkerStatus::State::kStopped, WorkerStatus::State::kStarting,
                                                    WorkerStatus::State::kServing, WorkerStatus::State::kStopping};
  const RunningTime now = context_.loop.Now();
  WorkerStatus status;
  status.plugin = plugin_.name;
  status.version = plugin_.version;
  status.state = kStates[static_cast<size_t>(state_)];
  status.pid = pid_;
  status.held = held_;
  status.in_flight = calls_.size() - waiting_.size();
  status.start_count = start_count_;
  status.crash_count = crashes_.count();
  if (const auto& last = crashes_.last())
    status.last_crash = {last->text, duration_cast<std::chrono::seconds>(now - last->at)};
  status.refused_requests = crashing_.CountRefused(now);
  if (state_ == State::kStopped && now < crashes_.may_start_at()) status.state = WorkerStatus::State::kDelayed;
  if (crashes_.is_quarantined()) {
    status.state = WorkerStatus::State::kQuarantined;
    status.note = crashes_.QuarantineText();
  }
  if (!plugin_.is_enabled) {
    status.state = WorkerStatus::State::kDisabled;
    status.note = plugin_.disabled_reason;
  }
  return status;
}

// ---- its start ----

// While something is frozen its freezer has to run: only that knows until when.
bool WorkerSlot::IsNeededToThaw() const {
  return context_.freeze.is_frozen() && context_.freeze.IsFreezer(plugin_index_);
}

bool WorkerSlot::IsWanted() const {
  return !waiting_.empty() || IsNeededToThaw();
}

// A thaw is tried at once, whatever happened before; so is the worker that may have to thaw by itself.
bool WorkerSlot::HasPrecedence() const {
  return IsNeededToThaw() || std::ranges::any_of(waiting_, [this](uint64_t id) {
           return calls_.at(id).call.command->spec->Has(config::kNeverDeniable);
         });
}

void WorkerSlot::StartIfNeeded() {
  if (state_ != State::kStopped || !IsWanted()) return;
  // Starting a process reads files, which may stand on a frozen file system.
  if (context_.freeze.is_frozen() && !IsNeededToThaw())
    return FailWaiting(WorkerName() + " is not started while file systems are frozen");
  context_.loop.Cancel(std::exchange(start_timer_, 0));
  const bool has_precedence = HasPrecedence();
  if (crashes_.is_quarantined() && !has_precedence) {
    FailWaiting(WorkerName() + " is quarantined: " + crashes_.QuarantineText());
    if (!IsWanted()) return;
  }
  const RunningTime delay = (has_precedence ? thaw_retry_at_ : crashes_.may_start_at()) - context_.loop.Now();
  if (delay <= RunningTime(0)) return Start();
  start_timer_ = context_.loop.After(delay, [this] {
    start_timer_ = 0;
    StartIfNeeded();
  });
}

void WorkerSlot::Start() {
  state_ = State::kStarting;
  context_.warden.StartWorker(plugin_index_);
}

void WorkerSlot::OnStarted(const wire::WorkerStarted& started, wire::WorkerChannel channel) {
  auto link = wire::WorkerLink::Create(context_.loop, std::move(channel), context_.generation, *this);
  worker_ = started.worker;
  pid_ = started.pid;
  ++start_count_;
  if (!link) {
    LogError(WorkerName() + ": " + link.error().message());
    state_ = State::kStopping;
    context_.warden.StopWorker(worker_);
    return;
  }
  link_ = std::move(*link);
  state_ = State::kServing;
  health_.Begin(context_.loop.Now());
  Pump();
  WatchIdleness();
}

// ---- its end ----

void WorkerSlot::DropLink() {
  link_.reset();
  context_.loop.Cancel(std::exchange(pong_timer_, 0));
}

void WorkerSlot::StopWorker(Stop stop) {
  DropLink();
  if (state_ != State::kServing) return;
  state_ = State::kStopping;
  stop_ = std::move(stop);
  context_.warden.StopWorker(worker_);
}

void WorkerSlot::OnLinkClosed(const Error& error) {
  // What it held is answered when the warden says how it ended.
  if (error.code() == Code::kBadMessage) {
    LogError(WorkerName() + " broke the protocol and is stopped: " + error.message());
    return StopWorker({true, "it broke the protocol: " + error.message()});
  }
  DropLink();
  if (state_ != State::kServing) return;
  state_ = State::kStopping;
  end_timer_ = context_.loop.After(kEndPatience, [this] {
    end_timer_ = 0;
    context_.warden.StopWorker(worker_);
  });
}

void WorkerSlot::OnEnded(const wire::WorkerEnded& ended, std::string_view why) {
  const bool was_never_started = ended.worker == 0;
  if (!was_never_started && ended.worker != worker_) return;
  // Its link and the warden's are two: the last word (nothing is frozen any more, a reply) may wait there yet.
  if (link_) link_->ReadLastWords();
  std::string text = why.empty() ? EndText(ended.exit_status) : std::string(why);
  context_.loop.Cancel(std::exchange(end_timer_, 0));
  DropLink();
  state_ = State::kStopped;
  pid_ = 0;
  held_ = 0;
  alone_ = 0;
  if (stop_) text = stop_->why;
  NoteEnd(ended, text);
  stop_.reset();
  if (IsNeededToThaw() && (was_never_started || crashes_.count() > kThawCrashesAtOnce))
    thaw_retry_at_ = context_.loop.Now() + kThawRetryPause;
  // What is frozen stays so until an earlier process of it, which the kernel may hold, has ended: a thaw waits for that.
  if (was_never_started && ended.exit_status == wire::kNotTried && IsNeededToThaw()) return StartIfNeeded();
  if (was_never_started) {
    LogError(WorkerName() + " could not be started: " + text);
    FailWaiting(WorkerName() + " could not be started: " + text);
  } else {
    SettleInFlight(WorkerName() + " ended while it served this request, whose outcome is unknown: " + text);
  }
  StartIfNeeded();
}

// A worker that was stopped because it hung is no crash: how long a command takes is in the host's hands too, and the
// deadlines keep such ends rare by themselves.
void WorkerSlot::NoteEnd(const wire::WorkerEnded& ended, const std::string& text) {
  const bool was_tried = ended.worker != 0 || ended.exit_status != wire::kNotTried;
  if (was_tried && (!stop_ || stop_->is_crash)) NoteCrash(text);
}

void WorkerSlot::NoteCrash(const std::string& text) {
  const RunningTime now = context_.loop.Now();
  std::vector<RequestPrint> held;
  for (const auto& [id, pending] : calls_) {
    if (pending.phase != Phase::kWaiting && pending.print) held.push_back(*pending.print);
  }
  crashing_.NoteCrash(held, now);
  for (const auto& [id, pending] : calls_) {
    if (pending.phase != Phase::kWaiting && pending.print && crashing_.IsRefused(*pending.print, now))
      LogWarning(pending.call.command->spec->name + " with the same arguments is refused from now on: " + WorkerName() +
                 " ended again while it served that");
  }
  const bool was_quarantined = crashes_.is_quarantined();
  crashes_.Note(now, text);
  if (crashes_.is_quarantined() && !was_quarantined)
    LogError(WorkerName() + " is quarantined: " + crashes_.QuarantineText());
}

bool WorkerSlot::MayRetry(const Pending& pending) const {
  return pending.phase == Phase::kSent && !pending.was_retried && !pending.arguments_again.empty();
}

// An idempotent request is sent once more to the next worker, before those that wait; the rest is answered.
void WorkerSlot::SettleInFlight(const std::string& why) {
  std::vector<uint64_t> over;
  std::vector<uint64_t> again;
  for (auto& [id, pending] : calls_) {
    if (pending.phase == Phase::kWaiting) continue;
    (MayRetry(pending) ? again : over).push_back(id);
  }
  if (!over.empty() || !again.empty()) LogWarning(why);
  std::ranges::sort(again, std::greater());
  for (const uint64_t id : again) {
    Pending& pending = calls_.at(id);
    if (std::exchange(pending.is_announced, false)) context_.warden.Retract(id, worker_);
    pending.was_retried = true;
    pending.phase = Phase::kWaiting;
    pending.call.arguments.Append(pending.arguments_again);
    pending.reemitter = {};
    pending.reply.Clear();
    pending.has_reply = false;
    waiting_.push_front(id);
  }
  std::ranges::sort(over);
  for (const uint64_t id : over) Fail(id, why);
}

// ---- whether it turns ----

void WorkerSlot::SendPing() {
  link_->Ping();
  pong_timer_ = context_.loop.After(WorkerHealth::kPongPatience, [this] {
    pong_timer_ = 0;
    OnPongOverdue();
  });
}

void WorkerSlot::OnPong(uint64_t heap_bytes) {
  context_.loop.Cancel(std::exchange(pong_timer_, 0));
  health_.NotePong(heap_bytes);
  WatchIdleness();
}

void WorkerSlot::OnPongOverdue() {
  const std::string why =
      "it did not answer for " + std::to_string(WorkerHealth::kPongPatience.count()) + " s and was stopped";
  LogWarning(WorkerName() + ": " + why);
  StopWorker({false, why});
}

// ---- renewal ----

void WorkerSlot::OnRenew() {
  health_.NoteRenewWish();
  // What it has in its hands is answered first.
  Pump();
}

bool WorkerSlot::IsToBeRenewedNow() const {
  return state_ == State::kServing && link_ != nullptr && link_->in_flight() == 0 && held_ == 0 &&
         !context_.freeze.is_frozen() && health_.IsRenewalDue(context_.loop.Now());
}

// ---- idleness ----

RunningTime WorkerSlot::IdleLimit() const {
  const milliseconds limit(plugin_.idle_exit_ms);
  return health_.is_worn() ? std::min(limit, kRecycleRest) : limit;
}

void WorkerSlot::WatchIdleness() {
  if (plugin_.idle_exit_ms == 0 || state_ != State::kServing || !is_idle() || held_ > 0) return;
  // A timer for another answer than this one stays: it then looks again. But it must not come too late.
  if (idle_timer_ != 0 && idle_timer_limit_ <= IdleLimit()) return;
  context_.loop.Cancel(idle_timer_);
  idle_timer_limit_ = IdleLimit();
  const auto rest = health_.last_active() + idle_timer_limit_ - context_.loop.Now();
  idle_timer_ = context_.loop.After(std::max<RunningTime>(rest, milliseconds(1)), [this] { OnIdleTimer(); });
}

void WorkerSlot::OnIdleTimer() {
  idle_timer_ = 0;
  if (state_ != State::kServing || !is_idle() || held_ > 0) return;
  if (context_.loop.Now() - health_.last_active() < IdleLimit()) return WatchIdleness();
  StopWorker({false, "it was not needed"});
}

}  // namespace reeve::core
