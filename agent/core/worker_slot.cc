#include "agent/core/worker_slot.h"

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

// A thaw: nothing may stand in its way.
bool IsNeverDeniable(const WorkerCall& call) {
  return call.command->spec->Has(config::kNeverDeniable);
}

bool WaitsForProgram(const WorkerCall& call) {
  return call.command->spec->Has(config::kProgramEndsWithRequest);
}

std::string DeadlineText(const WorkerCall& call) {
  return "its deadline of " + std::to_string(call.command->deadline_ms) + " ms";
}

}  // namespace

WorkerSlot::WorkerSlot(const SlotContext& context, uint32_t plugin_index, const config::Plugin& plugin)
    : context_(context),
      plugin_index_(plugin_index),
      plugin_(plugin),
      deadlines_(context.loop, [this](uint64_t id) { OnDeadline(id); }),
      crashes_(context.restart) {}

WorkerSlot::~WorkerSlot() {
  for (const EventLoop::TimerId timer : {idle_timer_, start_timer_, pong_timer_, end_timer_})
    context_.loop.Cancel(timer);
}

// ---- calls ----

void WorkerSlot::Call(uint64_t id, WorkerCall call) {
  Pending& pending = calls_[id];
  pending.call = std::move(call);
  if (!MayBeTried(id, pending)) return;
  if (waiting_.size() >= kMaxWaitingForWorker && !IsNeverDeniable(pending.call))
    return Fail(id, WorkerName() + " is busy: " + std::to_string(kMaxWaitingForWorker) + " requests wait for it");
  if (pending.call.command->deadline_ms > 0)
    SetDue(id, pending, pending.call.arrived + milliseconds(pending.call.command->deadline_ms));
  waiting_.push_back(id);
  StartIfNeeded();
  Pump();
}

// False: it was answered.
bool WorkerSlot::MayBeTried(uint64_t id, Pending& pending) {
  // While something is frozen the freezer's commands are those that help.
  if (IsNeverDeniable(pending.call) || IsNeededToThaw()) return true;
  if (crashes_.is_quarantined()) {
    Fail(id, WorkerName() + " is quarantined: " + crashes_.QuarantineText());
    return false;
  }
  TakePrint(pending);
  if (crashing_.is_empty() || !pending.print || !crashing_.IsRefused(*pending.print, context_.loop.Now())) return true;
  Fail(id, pending.call.command->spec->name + " with these arguments is refused: " + WorkerName() + " ended " +
               std::to_string(CrashingRequests::kCrashesToRefusal) + " times while it served that; it is tried again " +
               std::to_string(CrashingRequests::kRefusedFor.count()) + " h later, or after a restart of the service");
  return false;
}

// Long arguments are only looked at when the plugin has crashed before: a file's contents pass here.
void WorkerSlot::TakePrint(Pending& pending) {
  const WorkerCall& call = pending.call;
  if (call.arguments.size() > wire::kMaxInlineBytes && crashes_.count() == 0) return;
  pending.print = PrintOf(call.command->command_index, call.channel, call.arguments);
}

void WorkerSlot::Pump() {
  if (IsToBeRenewedNow()) return StopWorker({false, "another process takes its place, as its plugin wished"});
  while (state_ == State::kServing && link_ != nullptr && link_->in_flight() < wire::kMaxInFlight) {
    const auto next = NextWaiting();
    if (next == waiting_.end() || !SendNext(next)) return;
  }
}

// A thaw, which may have to overtake what it ends. Else the first; when enough of them wait for programs, the first that does not.
std::deque<uint64_t>::iterator WorkerSlot::NextWaiting() {
  if (context_.freeze.IsFreezer(plugin_index_)) {
    const auto thaw =
        std::ranges::find_if(waiting_, [this](uint64_t id) { return IsNeverDeniable(calls_.at(id).call); });
    // One place is kept for it.
    if (thaw != waiting_.end() || link_->in_flight() == wire::kMaxInFlight - 1) return thaw;
  }
  if (waiting_.empty() || !WaitsForProgram(calls_.at(waiting_.front()).call)) return waiting_.begin();
  const auto is_under_way = [](const auto& entry) {
    return entry.second.phase != Phase::kWaiting && WaitsForProgram(entry.second.call);
  };
  if (static_cast<size_t>(std::ranges::count_if(calls_, is_under_way)) < kMaxProgramCalls) return waiting_.begin();
  return std::ranges::find_if(waiting_, [this](uint64_t id) { return !WaitsForProgram(calls_.at(id).call); });
}

// False: not now.
bool WorkerSlot::SendNext(std::deque<uint64_t>::iterator next) {
  const uint64_t id = *next;
  const auto found = calls_.find(id);
  const bool is_held_back = alone_ != 0 || (found->second.was_retried && link_->in_flight() > 0);
  if (is_held_back && !IsNeverDeniable(found->second.call)) return false;
  Status sent = AnnounceCall(id, found->second);
  if (sent) sent = SendCall(id, found->second);
  const bool is_for_later =
      !sent && (sent.error().code() == Code::kUnavailable || sent.error().code() == Code::kClosed);
  if (is_for_later) return false;
  waiting_.erase(next);
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
  if (link_->in_flight() == 0 && health_.WantsPingBeforeRequest(call.arrived)) SendPing();
  const Status sent = link_->Send(head, std::move(call.arguments));
  // A worker that is gone gets no more, and what it got is settled when the warden says how it ended.
  if (!sent && sent.error().code() != Code::kClosed) return sent;
  pending.phase = Phase::kSent;
  if (pending.was_retried) alone_ = id;
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
  if (id == alone_) alone_ = 0;
  health_.NoteActive(context_.loop.Now());
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

void WorkerSlot::Abandon(const CallOrigin& origin) {
  const auto found =
      std::ranges::find_if(calls_, [&](const auto& entry) { return entry.second.call.origin == origin; });
  if (found == calls_.end()) return;
  auto& [id, pending] = *found;
  if (!WaitsForProgram(pending.call) || pending.phase == Phase::kCancelled) return;
  deadlines_.Remove(pending.due_at, id);
  SetDue(id, pending, context_.loop.Now());
}

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
    StopWorker({false, "it was stopped because " + name + " did not finish within " + DeadlineText(pending.call)});
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
  health_.NoteServed();
  if (found != calls_.end() && found->second.print) crashing_.NoteAnswered(*found->second.print);
  if (found != calls_.end()) was_sent = Finish(request_id, ReplyOf(found->second, status, text));
  // The answer may have led to anything, the link's end included.
  if (wants_settled && link_ != nullptr) link_->Settle(request_id, was_sent);
  Pump();
  if (calls_.empty() && link_ != nullptr && health_.WantsPingAfterAnswer(health_.last_active())) SendPing();
}

void WorkerSlot::OnHold(uint64_t held) {
  held_ = held;
  context_.freeze.NoteHeld(plugin_index_, held, context_.loop.Now());
  health_.NoteActive(context_.loop.Now());
  WatchIdleness();
}

void WorkerSlot::OnFreezeNote(uint64_t time_left_ms, std::string_view why) {
  context_.freeze.NoteFreeze(plugin_index_, time_left_ms, why, context_.loop.Now());
}

// Its kHold came first, so that what is logged and audited stays in memory by now, or it holds nothing and gets no answer.
void WorkerSlot::OnQuiesce(uint64_t number) {
  if (context_.freeze.IsFreezer(plugin_index_) && context_.freeze.is_frozen() && link_ != nullptr) link_->Quiet(number);
}

void WorkerSlot::OnLogLine(Severity severity, std::string_view text) {
  if (!log_limiter_.Admit(context_.loop.Now())) return;
  const uint64_t dropped = log_limiter_.TakeDropped();
  if (dropped > 0) LogWarning("plugin " + plugin_.name + ": " + std::to_string(dropped) + " log lines were dropped");
  Log(severity, "plugin " + plugin_.name + ": " + std::string(text));
}

}  // namespace reeve::core
