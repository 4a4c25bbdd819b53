#include "agent/qga/session.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "agent/qmp/reply_writer.h"
#include "base/check.h"

namespace reeve::qga {

namespace {

// Half a request of a client that left dies when it has not grown for this long. A client writes a request in
// one go.
constexpr std::chrono::seconds kPartialGrace{1};

constexpr std::string_view kTooManyWaiting = "too many requests are waiting on this channel (at most 32)";
static_assert(kMaxWaiting == 32, "the text names it");

void Earlier(std::optional<RunningTime>& wake, std::optional<RunningTime> other) {
  if (other && (!wake || *other < *wake)) wake = other;
}

}  // namespace

Session::Session(SessionOptions options, Executor& executor) : options_(options), executor_(executor) {}
Session::~Session() = default;

// --- from the transport ---

void Session::TakeInput(Bytes bytes, RunningTime now) {
  if (is_closed_) return;
  DropDeadPartial(now);
  if (partial_dies_at_ && !bytes.empty()) partial_dies_at_ = now + kPartialGrace;
  if (kept_input_.empty()) return Digest(bytes, now);
  kept_input_ += AsText(bytes);
}

void Session::Digest(Bytes bytes, RunningTime now) {
  while (!IsFull()) {
    std::optional<Item> item = reader_.Next(bytes);
    if (!item) break;
    partial_dies_at_.reset();
    if (Request* request = std::get_if<Request>(&*item)) {
      TakeRequest(std::move(*request), now);
    } else {
      Owe(std::get<InputError>(*std::move(item)), now);
    }
  }
  kept_input_ = AsText(bytes);
  if (!reader_.HasPartial()) partial_dies_at_.reset();
}

void Session::RefusePartial(std::string description, RunningTime now) {
  Owe(reader_.RefusePartial(std::move(description)), now);
}

void Session::DigestKept(RunningTime now) {
  if (kept_input_.empty() || IsFull()) return;
  const std::string input = std::exchange(kept_input_, {});
  Digest(AsBytes(input), now);
}

bool Session::wants_input() const {
  return !is_closed_ && !IsFull();
}

bool Session::IsFull() const {
  return output_.size() > kMaxQueuedOutputBytes;
}

void Session::ConsumeOutput(size_t count, RunningTime now) {
  const bool was_full = IsFull();
  output_.Consume(count);
  taken_off_ += count;
  while (!line_ends_.empty() && line_ends_.front() <= taken_off_) {
    line_begin_ = line_ends_.front();
    line_ends_.pop_front();
  }
  progress_ = now;
  if (was_full && !IsFull()) released_at_ = now;
  Pump(now);
  DigestKept(now);
}

void Session::DropQueuedOutput() {
  const bool has_begun = taken_off_ > line_begin_;
  const uint64_t end = has_begun ? line_ends_.front() : taken_off_;
  output_.Truncate(end - taken_off_);
  appended_ = end;
  line_ends_.resize(has_begun ? 1 : 0);
}

void Session::HangUp(RunningTime now) {
  DropQueuedOutput();
  if (reader_.HasPartial()) {
    reader_.DropPartialAtLineFeed();
    partial_dies_at_ = now + kPartialGrace;
  }
  Pump(now);
  DigestKept(now);
}

void Session::ClearOutput() {
  output_.Clear();
  line_ends_.clear();
  line_begin_ = taken_off_ = appended_;
}

void Session::Close() {
  // Requests that came in whole are carried out, read or not.
  do {
    ClearOutput();
    DigestKept(progress_);
  } while (!kept_input_.empty());
  ClearOutput();
  is_closed_ = true;
  partial_dies_at_.reset();
  reader_.DropPartial();
  Abandon(live_.size());
  Pump(progress_);
}

bool Session::is_idle() const {
  return live_.empty() && abandoned_.empty();
}

// --- requests come ---

size_t Session::CountWaiting() const {
  size_t waiting = 0;
  for (const Entry& entry : live_) waiting += entry.state == Entry::State::kWaiting ? 1 : 0;
  for (const Lane& lane : abandoned_) waiting += lane.size();
  return waiting;
}

void Session::TakeRequest(Request request, RunningTime now) {
  const bool is_delimited = request.command == "guest-sync-delimited";
  const bool is_sync = is_delimited || request.command == "guest-sync";
  const bool may_overtake = is_sync && options_.sync_timeout.has_value();
  if (may_overtake && options_.is_serial && now - progress_ >= *options_.sync_timeout) DropQueuedOutput();
  // A sync is not refused: it is what heals a channel that is full.
  if (!may_overtake && CountWaiting() >= kMaxWaiting)
    return Owe({std::string(kTooManyWaiting), std::move(request.id)}, now);
  Entry& entry = live_.emplace_back();
  entry.is_sync = is_sync;
  entry.is_delimited = is_delimited;
  entry.arrived = now;
  entry.token = ++last_token_;
  entry.id = std::move(request.id);
  entry.request = std::move(request);
  if (may_overtake && live_.size() > kMaxOwed) Abandon(live_.size() - 1);
  Pump(now);
}

void Session::Owe(InputError error, RunningTime now) {
  if (live_.size() >= kMaxOwed) return;
  Entry& entry = live_.emplace_back();
  entry.state = Entry::State::kAnswered;
  entry.id = std::move(error.id);
  entry.reply = Reply::Failure(ErrorClass::kGenericError, std::move(error.description));
  Pump(now);
}

// --- requests run ---

// Starts and emits what can be, as long as something can. Answers that come from within Execute() are seen
// here.
void Session::Pump(RunningTime now) {
  if (is_pumping_) return;
  is_pumping_ = true;
  while (PumpLive(now) || PumpAbandoned()) {
  }
  is_pumping_ = false;
}

bool Session::PumpLive(RunningTime now) {
  if (live_.empty()) return false;
  Entry& entry = live_.front();
  switch (entry.state) {
    case Entry::State::kAnswered:
      Emit(entry, now);
      live_.pop_front();
      return true;
    case Entry::State::kWaiting:
      if (IsFull()) return false;
      Start(entry);
      return true;
    case Entry::State::kRunning:
      break;
  }
  return false;
}

bool Session::PumpAbandoned() {
  for (auto lane = abandoned_.begin(); lane != abandoned_.end(); ++lane) {
    if (lane->front().state == Entry::State::kRunning) continue;
    if (lane->front().state == Entry::State::kWaiting) {
      Entry& entry = lane->front();
      Start(entry);
      if (entry.state == Entry::State::kRunning) executor_.Abandon(entry.token);
    } else {
      lane->pop_front();
      if (lane->empty()) abandoned_.erase(lane);
    }
    return true;
  }
  return false;
}

void Session::Start(Entry& entry) {
  entry.state = Entry::State::kRunning;
  executor_.Execute(entry.token, std::move(entry.request), entry.arrived);
}

Session::Entry* Session::FindRunning(uint64_t token) {
  const auto fits = [&](const Entry& entry) { return entry.state == Entry::State::kRunning && entry.token == token; };
  if (!live_.empty() && fits(live_.front())) return &live_.front();
  for (Lane& lane : abandoned_) {
    if (fits(lane.front())) return &lane.front();
  }
  return nullptr;
}

void Session::Answer(uint64_t token, Reply reply, RunningTime now) {
  Entry* entry = FindRunning(token);
  REEVE_CHECK(entry != nullptr);
  entry->state = Entry::State::kAnswered;
  entry->reply = std::move(reply);
  Pump(now);
}

// Gives up the replies of the first `count` requests; what of them has an effect is still carried out, in its
// order.
void Session::Abandon(size_t count) {
  Lane lane;
  for (; count > 0; --count) {
    Entry& entry = live_.front();
    const bool is_pending =
        entry.state == Entry::State::kRunning || (entry.state == Entry::State::kWaiting && !entry.is_sync);
    if (is_pending) lane.push_back(std::move(entry));
    live_.pop_front();
  }
  if (lane.empty()) return;
  abandoned_.push_back(std::move(lane));
  const Entry& first = abandoned_.back().front();
  if (first.state == Entry::State::kRunning) executor_.Abandon(first.token);
}

// --- replies leave ---

void Session::Emit(Entry& entry, RunningTime now) {
  if (entry.reply.kind == Reply::Kind::kNothing) return;
  if (output_.is_empty()) progress_ = now;
  const size_t before = output_.size();
  if (entry.is_delimited && entry.reply.kind == Reply::Kind::kReturn) output_.Append("\xFF");
  qmp::AppendReply(output_, std::move(entry.reply), entry.id);
  appended_ += output_.size() - before;
  line_ends_.push_back(appended_);
}

// --- time ---

// The oldest sync that waits, when something before it runs.
std::optional<size_t> Session::FindBlockedSync() const {
  if (!options_.sync_timeout || IsFull()) return std::nullopt;
  for (size_t index = 1; index < live_.size(); ++index) {
    if (live_[index].is_sync && live_[index].state == Entry::State::kWaiting) return index;
  }
  return std::nullopt;
}

// When that sync has waited enough. Time in which the client itself held everything up does not count.
RunningTime Session::PatienceEnd(const Entry& sync) const {
  return std::max(sync.arrived, released_at_) + *options_.sync_timeout;
}

std::optional<RunningTime> Session::StallEnd() const {
  if (!IsFull()) return std::nullopt;
  return progress_ + options_.stall_timeout;
}

bool Session::ShouldClose(RunningTime now) const {
  const std::optional<RunningTime> end = StallEnd();
  return !options_.is_serial && !is_closed_ && end && now >= *end;
}

std::optional<RunningTime> Session::NextWake() const {
  std::optional<RunningTime> wake = partial_dies_at_;
  if (const std::optional<size_t> index = FindBlockedSync()) Earlier(wake, PatienceEnd(live_[*index]));
  Earlier(wake, StallEnd());
  return wake;
}

void Session::DropDeadPartial(RunningTime now) {
  if (!partial_dies_at_ || now < *partial_dies_at_) return;
  reader_.DropPartial();
  partial_dies_at_.reset();
}

void Session::OnTime(RunningTime now) {
  DropDeadPartial(now);
  const std::optional<size_t> index = FindBlockedSync();
  if (index && now >= PatienceEnd(live_[*index])) Abandon(*index);
  const std::optional<RunningTime> stall_end = StallEnd();
  if (options_.is_serial && stall_end && now >= *stall_end) {
    DropQueuedOutput();
    Abandon(live_.size());
    progress_ = now;
  }
  Pump(now);
  DigestKept(now);
}

}  // namespace reeve::qga
