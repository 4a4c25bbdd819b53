#include "agent/core/client.h"

#include <algorithm>
#include <utility>

#include "base/json_lexer.h"
#include "base/log.h"

namespace reeve::core {
namespace {

// So many buffers of one client, or so much to answer, then the others get their turn.
constexpr int kMaxReadsPerTurn = 4;
constexpr size_t kMuchOutputBytes = 256 * 1024;
// From here on a request that is not complete needs leave to grow. From the second number on its next buffer may be made
// for the longest token, and copied once; when it has that one, it grows by little again.
constexpr size_t kLargeRequestBytes = 1024 * 1024;
constexpr size_t kVeryLargeRequestBytes = 2 * kLargeRequestBytes;
constexpr size_t kNextBufferBytes = 2 * json::kMaxTokenBytes + json::kVeryLongStringBytes;
constexpr size_t kLittleGrowthBytes = 8 * 1024 * 1024;

}  // namespace

Client::Client(const Parts& parts, transport::Connection connection, uint32_t channel, std::string channel_name,
               const MakeSession& make_session)
    : parts_(parts),
      asker_(channel, std::move(channel_name), connection.peer()),
      session_(make_session(*this)),
      connection_(std::move(connection)) {}

Client::~Client() {
  if (connection_) parts_.loop.Forget(connection_->fd());
  parts_.loop.Cancel(timer_);
  parts_.loop.Cancel(again_);
}

Status Client::Start() {
  watched_events_ = connection_->Events(true, false);
  return parts_.loop.Watch(connection_->fd(), watched_events_, [this](uint32_t events) { OnReady(events); });
}

void Client::StopInput() {
  is_input_stopped_ = true;
  if (connection_) Turn();
}

// ---- events ----

void Client::OnReady(uint32_t events) {
  const bool has_hung_up = (events & (EPOLLHUP | EPOLLERR)) != 0;
  if ((events & (EPOLLIN | EPOLLRDHUP)) != 0 || has_hung_up) may_read_ = true;
  if ((events & EPOLLOUT) != 0 || is_serial()) is_blocked_ = false;
  if (has_hung_up && !is_serial()) is_reader_gone_ = true;
  Turn();
}

void Client::OnTimer() {
  timer_ = 0;
  if (!connection_) return;
  const RunningTime now = parts_.loop.Now();
  session_->OnTime(now);
  if (session_->ShouldClose(now)) {
    LogWarning("channel " + asker_.channel_name + ": a client that does not read was disconnected");
    is_broken_ = true;
  }
  Turn();
}

// Everything that the connection allows now. Answers that come from within are written at the end of it, in one go.
void Client::Turn() {
  if (is_in_turn_ || !connection_) return;
  is_in_turn_ = true;
  Read();
  Write();
  is_in_turn_ = false;
  if (IsOver()) return Lose();
  Rewatch();
  ArmTimer();
}

// ---- input ----

void Client::Read() {
  for (int i = 0; i < kMaxReadsPerTurn; ++i) {
    if (!may_read_ || is_broken_ || has_input_ended_ || is_input_stopped_) return;
    if (!session_->wants_input()) Write();
    if (!session_->wants_input() || !ReadOnce()) return;
    if (session_->output().size() >= kMuchOutputBytes) break;
  }
  // A stream says again that there is more; a port, which is watched by edges, does not.
  if (is_serial() && again_ == 0) {
    again_ = parts_.loop.After(std::chrono::nanoseconds(0), [this] {
      again_ = 0;
      Turn();
    });
  }
}

// Whether it is worth reading on at once.
bool Client::ReadOnce() {
  const auto count = connection_->Read(parts_.read_buffer);
  if (!count) {
    may_read_ = false;
    may_end_be_old_ = false;
    is_broken_ = count.error().code() != Code::kUnavailable;
    return false;
  }
  if (*count == 0) {
    TakeEnd();
    return false;
  }
  may_end_be_old_ = true;
  RefuseWhatIsTooMuch();
  session_->TakeInput(Bytes(parts_.read_buffer.first(*count)), parts_.loop.Now());
  // A short read of a stream emptied it, and the loop will tell of more; asking again now would cost each request a call.
  may_read_ = is_serial() || *count == parts_.read_buffer.size();
  return may_read_;
}

void Client::RefuseWhatIsTooMuch() {
  const size_t held = session_->partial_bytes();
  const bool grows_much = held >= kVeryLargeRequestBytes && held < json::kVeryLongStringBytes;
  const size_t growth = grows_much ? kNextBufferBytes : kLittleGrowthBytes;
  if (held < kLargeRequestBytes || parts_.memory.HasRoom(growth)) return;
  session_->RefusePartial("the agent has no memory left for a request of this size", parts_.loop.Now());
}

void Client::TakeEnd() {
  may_read_ = false;
  switch (connection_->medium()) {
    case transport::Medium::kStream:
      has_input_ended_ = true;
      break;
    case transport::Medium::kVirtioPort:
      // A port may show that a host left after the next one's first bytes. What answers these must not go with it.
      if (!may_end_be_old_ || session_->partial_bytes() > 0) session_->HangUp(parts_.loop.Now());
      break;
    case transport::Medium::kTerminal:
      is_broken_ = true;  // opened anew, it works again
      break;
  }
}

// ---- output ----

void Client::Write() {
  while (!session_->output().is_empty() && !is_broken_) {
    size_t count = session_->output().size();
    if (!is_reader_gone_) {
      if (is_blocked_) return;
      const auto written = connection_->Write(session_->output());
      if (!written) {
        is_blocked_ = written.error().code() == Code::kUnavailable;
        if (is_blocked_) return;
        // What a client wrote before it left is still to be read and carried out.
        is_reader_gone_ = !is_serial();
        is_broken_ = is_serial();
        continue;
      }
      count = *written;
    }
    session_->ConsumeOutput(count, parts_.loop.Now());
  }
}

// ---- the end ----

// A client that only ended its own side (a shell's pipe into socat) still gets its replies.
bool Client::IsOver() const {
  if (is_broken_ || (is_input_stopped_ && is_reader_gone_)) return true;
  return has_input_ended_ && (is_reader_gone_ || is_idle());
}

void Client::Rewatch() {
  const bool wants_input = !has_input_ended_ && !is_input_stopped_ && session_->wants_input();
  const uint32_t events = connection_->Events(wants_input, is_blocked_);
  if (events == watched_events_) return;
  watched_events_ = events;
  const Status changed = parts_.loop.Change(connection_->fd(), events);
  if (!changed) LogError("channel " + asker_.channel_name + ": " + changed.error().message());
}

// A timer that is due too early finds nothing to do and sets itself anew: cheaper than moving it with each request.
void Client::ArmTimer() {
  const auto wake = session_->NextWake();
  if (!wake || (timer_ != 0 && timer_at_ <= *wake)) return;
  parts_.loop.Cancel(timer_);
  timer_at_ = *wake;
  const RunningTime rest = std::max<RunningTime>(*wake - parts_.loop.Now(), RunningTime(0));
  timer_ = parts_.loop.After(rest, [this] { OnTimer(); });
}

void Client::Lose() {
  parts_.loop.Forget(connection_->fd());
  connection_.reset();
  session_->Close();
  parts_.owner.OnConnectionGone(*this);
  NoteDone();
}

void Client::NoteDone() {
  if (connection_ || is_done_ || !session_->is_idle()) return;
  is_done_ = true;
  parts_.owner.OnClientDone(*this);
}

// ---- requests ----

void Client::Execute(uint64_t token, Request request, RunningTime arrived) {
  request.token = token;
  parts_.requests.Dispatch(asker_, std::move(request), arrived,
                           [this, token](Reply reply) { return OnAnswer(token, std::move(reply)); });
}

bool Client::OnAnswer(uint64_t token, Reply reply) {
  // A reply that is owed is written out at once, in its turn; one that is not adds nothing.
  const size_t before = session_->output().size();
  session_->Answer(token, std::move(reply), parts_.loop.Now());
  const bool was_sent = connection_ && session_->output().size() > before;
  if (connection_) {
    Turn();
  } else {
    NoteDone();
  }
  return was_sent;
}

}  // namespace reeve::core
