#include "agent/core/worker_slot.h"

#include <sys/wait.h>

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace reeve::core {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;

// The only status of plugin-api that is of class CommandNotFound; the rest are GenericError.
constexpr int32_t kNoCommandStatus = -10;
constexpr int32_t kCancelledStatus = -7;
// Larger arguments are not kept for a second try: no idempotent command has such.
constexpr size_t kMaxRetriedArguments = 64 * 1024;
// A reply that is this large already is asked about at each piece: whether so much more may come.
constexpr size_t kLargeReplyBytes = 1024 * 1024;
constexpr size_t kReplyGrowthBytes = 8 * 1024 * 1024;

std::string DeadlineText(const WorkerCall& call) {
  return "its deadline of " + std::to_string(call.command->deadline_ms) + " ms";
}

}  // namespace

std::string EndText(int wait_status) {
  if (WIFSIGNALED(wait_status)) return "killed by signal " + std::to_string(WTERMSIG(wait_status));
  return "exited with status " + std::to_string(WEXITSTATUS(wait_status));
}

WorkerSlot::WorkerSlot(const SlotContext& context, uint32_t plugin_index, const config::Plugin& plugin)
    : context_(context),
      plugin_index_(plugin_index),
      plugin_(plugin),
      deadlines_(context.loop, [this](uint64_t id) { OnDeadline(id); }) {}

WorkerSlot::~WorkerSlot() {
  context_.loop.Cancel(idle_timer_);
  context_.loop.Cancel(end_timer_);
}

WorkerStatus WorkerSlot::status() const {
  static constexpr WorkerStatus::State kStates[] = {WorkerStatus::State::kStopped, WorkerStatus::State::kStarting,
                                                    WorkerStatus::State::kServing, WorkerStatus::State::kStopping};
  WorkerStatus status;
  status.plugin = plugin_.name;
  status.version = plugin_.version;
  status.state = plugin_.is_enabled ? kStates[static_cast<size_t>(state_)] : WorkerStatus::State::kDisabled;
  status.pid = pid_;
  status.held = held_;
  status.in_flight = calls_.size() - waiting_.size();
  status.start_count = start_count_;
  if (!plugin_.is_enabled) status.note = plugin_.disabled_reason;
  return status;
}

// ---- calls ----

void WorkerSlot::Call(uint64_t id, WorkerCall call) {
  Pending& pending = calls_[id];
  pending.call = std::move(call);
  if (waiting_.size() >= kMaxWaitingForWorker)
    return Fail(id, WorkerName() + " is busy: " + std::to_string(kMaxWaitingForWorker) + " requests wait for it");
  if (pending.call.command->deadline_ms > 0)
    SetDue(id, pending, pending.call.arrived + milliseconds(pending.call.command->deadline_ms));
  waiting_.push_back(id);
  StartIfNeeded();
  Pump();
}

void WorkerSlot::StartIfNeeded() {
  if (state_ != State::kStopped || waiting_.empty()) return;
  // Starting a process reads files, which may stand on a frozen file system.
  if (context_.freeze.is_frozen() && !context_.freeze.IsFreezer(plugin_index_))
    return FailWaiting(WorkerName() + " is not started while file systems are frozen");
  Start();
}

void WorkerSlot::Start() {
  state_ = State::kStarting;
  context_.warden.StartWorker(plugin_index_);
}

void WorkerSlot::Pump() {
  while (state_ == State::kServing && link_ != nullptr && !waiting_.empty() &&
         link_->in_flight() < wire::kMaxInFlight) {
    if (!SendNext()) return;
  }
}

// False: not now.
bool WorkerSlot::SendNext() {
  const uint64_t id = waiting_.front();
  const auto found = calls_.find(id);
  Status sent = AnnounceCall(id, found->second);
  if (sent) sent = SendCall(id, found->second);
  const bool is_for_later =
      !sent && (sent.error().code() == Code::kUnavailable || sent.error().code() == Code::kClosed);
  if (is_for_later) return false;
  waiting_.pop_front();
  if (!sent) Fail(id, sent.error().message());
  return true;
}

Status WorkerSlot::AnnounceCall(uint64_t id, Pending& pending) {
  const WorkerCall& call = pending.call;
  if (pending.is_announced || !call.command->spec->Has(config::kAsksWarden)) return {};
  const wire::Announce announce{worker_,  call.channel, call.peer_kind, call.peer_number, call.command->command_index,
                                call.rule};
  REEVE_TRY(context_.warden.Announce(id, RemainingMs(pending), announce));
  pending.is_announced = true;
  return {};
}

Status WorkerSlot::SendCall(uint64_t id, Pending& pending) {
  WorkerCall& call = pending.call;
  if (call.command->spec->Has(config::kIdempotent) && !pending.was_retried &&
      call.arguments.size() <= kMaxRetriedArguments)
    pending.arguments_again = call.arguments.ToString();
  const wire::RequestHead head{
      id, call.command->command_index, call.channel, call.peer_kind, call.peer_number, RemainingMs(pending)};
  const Status sent = link_->Send(head, std::move(call.arguments));
  // A worker that is gone gets no more, and what it got is settled when the warden says how it ended.
  if (!sent && sent.error().code() != Code::kClosed) return sent;
  pending.phase = Phase::kSent;
  return {};
}

// 0 is "none", so what is over still has a millisecond.
uint32_t WorkerSlot::RemainingMs(const Pending& pending) const {
  const uint32_t deadline_ms = pending.call.command->deadline_ms;
  if (deadline_ms == 0) return 0;
  const auto used = duration_cast<milliseconds>(context_.loop.Now() - pending.call.arrived).count();
  return static_cast<uint32_t>(std::max<int64_t>(1, int64_t{deadline_ms} - used));
}

bool WorkerSlot::Finish(uint64_t id, Reply reply) {
  auto call = calls_.extract(id);
  if (call.empty()) return false;
  deadlines_.Remove(call.mapped().due_at, id);
  if (call.mapped().is_announced) context_.warden.Retract(id, worker_);
  last_active_ = context_.loop.Now();
  const bool was_sent = call.mapped().call.on_reply(std::move(reply));
  WatchIdleness();
  return was_sent;
}

void WorkerSlot::Fail(uint64_t id, std::string description) {
  Finish(id, Reply::Failure(ErrorClass::kGenericError, std::move(description)));
}

void WorkerSlot::FailWaiting(const std::string& description) {
  // Those that come from within an answer wait for the next turn of this: they must not be refused for it.
  for (const uint64_t id : std::exchange(waiting_, {})) Fail(id, description);
}

// ---- deadlines ----

void WorkerSlot::SetDue(uint64_t id, Pending& pending, RunningTime at) {
  pending.due_at = at;
  deadlines_.Add(at, id);
}

void WorkerSlot::OnDeadline(uint64_t id) {
  const auto found = calls_.find(id);
  if (found == calls_.end()) return;
  Pending& pending = found->second;
  const std::string& name = pending.call.command->spec->name;
  if (pending.phase == Phase::kCancelled) {
    const std::string text =
        name + " did not finish within " + DeadlineText(pending.call) + "; " + WorkerName() + " was stopped";
    LogWarning(text);
    StopWorker();
    return Fail(id, text);
  }
  const bool was_begun = pending.phase == Phase::kSent && (link_ == nullptr || link_->Cancel(id));
  if (was_begun) {
    pending.phase = Phase::kCancelled;
    return SetDue(id, pending, context_.loop.Now() + kCancelGrace);
  }
  std::erase(waiting_, id);
  Fail(id, name + " was not started: " + DeadlineText(pending.call) + " passed while it waited for " + WorkerName());
  Pump();
}

// ---- the worker's life ----

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
  last_active_ = context_.loop.Now();
  Pump();
  WatchIdleness();
}

void WorkerSlot::StopWorker() {
  link_.reset();
  if (state_ != State::kServing) return;
  state_ = State::kStopping;
  context_.warden.StopWorker(worker_);
}

void WorkerSlot::OnLinkClosed(const Error& error) {
  // What it held is answered when the warden says how it ended.
  if (error.code() == Code::kBadMessage) {
    LogError(WorkerName() + " broke the protocol and is stopped: " + error.message());
    return StopWorker();
  }
  link_.reset();
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
  const std::string text = why.empty() ? EndText(ended.exit_status) : std::string(why);
  context_.loop.Cancel(std::exchange(end_timer_, 0));
  link_.reset();
  state_ = State::kStopped;
  pid_ = 0;
  // What the freezer held is still frozen: only its next worker, which reads the list of it, can say otherwise.
  const bool leaves_frozen = held_ > 0 && context_.freeze.IsFreezer(plugin_index_);
  held_ = 0;
  if (was_never_started) {
    LogError(WorkerName() + " could not be started: " + text);
    return FailWaiting(WorkerName() + " could not be started: " + text);
  }
  SettleInFlight(WorkerName() + " ended while it served this request: " + text);
  if (leaves_frozen && state_ == State::kStopped) Start();
  StartIfNeeded();
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

// ---- from the worker ----

void WorkerSlot::OnReplyPiece(uint64_t request_id, Bytes piece) {
  const auto found = calls_.find(request_id);
  if (found == calls_.end() || !found->second.reply_error.empty()) return;
  Pending& pending = found->second;
  pending.has_reply = true;
  if (pending.reply.size() >= kLargeReplyBytes && !context_.memory.HasRoom(kReplyGrowthBytes)) {
    pending.reply_error = "the agent has no memory left for a reply of this size";
  } else {
    const Status fed = pending.reemitter.Feed(AsText(piece), pending.reply);
    if (!fed) pending.reply_error = NoJson(fed.error());
  }
  if (!pending.reply_error.empty()) pending.reply.Clear();
}

std::string WorkerSlot::NoJson(const Error& error) const {
  return WorkerName() + " sent a reply that is no JSON: " + error.message();
}

Reply WorkerSlot::ReplyOf(Pending& pending, int32_t status, std::string_view text) const {
  const WorkerCall& call = pending.call;
  if (status == kCancelledStatus && pending.phase == Phase::kCancelled)
    return Reply::Failure(ErrorClass::kGenericError,
                          call.command->spec->name + " did not finish within " + DeadlineText(call));
  if (status != 0) {
    const auto error_class = status == kNoCommandStatus ? ErrorClass::kCommandNotFound : ErrorClass::kGenericError;
    return Reply::Failure(error_class, text.empty() ? call.command->spec->name + " has failed" : std::string(text));
  }
  if (call.command->spec->Has(config::kNoSuccessReply)) return Reply::Nothing();
  if (!pending.has_reply) return Reply::Return("{}");
  if (pending.reply_error.empty()) {
    const Status finished = pending.reemitter.Finish(pending.reply);
    if (!finished) pending.reply_error = NoJson(finished.error());
  }
  if (!pending.reply_error.empty()) return Reply::Failure(ErrorClass::kGenericError, pending.reply_error);
  Reply reply;
  reply.value = std::move(pending.reply);
  return reply;
}

void WorkerSlot::OnReplyEnd(uint64_t request_id, int32_t status, std::string_view text, bool wants_settled) {
  const auto found = calls_.find(request_id);
  bool was_sent = false;
  if (found != calls_.end()) was_sent = Finish(request_id, ReplyOf(found->second, status, text));
  // The answer may have led to anything, the link's end included.
  if (wants_settled && link_ != nullptr) link_->Settle(request_id, was_sent);
  Pump();
}

void WorkerSlot::OnHold(uint64_t held) {
  held_ = held;
  context_.freeze.NoteHeld(plugin_index_, held);
  last_active_ = context_.loop.Now();
  WatchIdleness();
}

void WorkerSlot::OnLogLine(Severity severity, std::string_view text) {
  if (!log_limiter_.Admit(context_.loop.Now())) return;
  const uint64_t dropped = log_limiter_.TakeDropped();
  if (dropped > 0) LogWarning("plugin " + plugin_.name + ": " + std::to_string(dropped) + " log lines were dropped");
  Log(severity, "plugin " + plugin_.name + ": " + std::string(text));
}

// ---- idleness ----

void WorkerSlot::WatchIdleness() {
  if (plugin_.idle_exit_ms == 0 || idle_timer_ != 0 || state_ != State::kServing || !is_idle() || held_ > 0) return;
  const auto rest = last_active_ + milliseconds(plugin_.idle_exit_ms) - context_.loop.Now();
  idle_timer_ = context_.loop.After(std::max<RunningTime>(rest, milliseconds(1)), [this] { OnIdleTimer(); });
}

void WorkerSlot::OnIdleTimer() {
  idle_timer_ = 0;
  if (state_ != State::kServing || !is_idle() || held_ > 0) return;
  if (context_.loop.Now() - last_active_ < milliseconds(plugin_.idle_exit_ms)) return WatchIdleness();
  StopWorker();
}

}  // namespace reeve::core
