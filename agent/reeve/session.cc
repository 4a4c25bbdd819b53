#include "agent/reeve/session.h"

#include <utility>
#include <variant>

#include "agent/qmp/reply_writer.h"
#include "base/check.h"

namespace reeve::native {
namespace {

constexpr std::string_view kTooManyRunning = "too many requests are under way on this connection (at most 32)";
static_assert(kMaxRunning == 32, "the text names it");

}  // namespace

void Session::TakeInput(Bytes bytes, RunningTime now) {
  if (is_closed_) return;
  if (kept_input_.empty()) return Digest(bytes, now);
  kept_input_ += AsText(bytes);
}

void Session::Digest(Bytes bytes, RunningTime now) {
  while (!IsFull()) {
    std::optional<qmp::Item> item = reader_.Next(bytes);
    if (!item) break;
    if (Request* request = std::get_if<Request>(&*item)) {
      Start(std::move(*request), now);
    } else {
      qmp::InputError& error = std::get<qmp::InputError>(*item);
      Emit(Reply::Failure(ErrorClass::kGenericError, std::move(error.description)), error.id, now);
    }
  }
  kept_input_ = AsText(bytes);
  if (reader_.partial_bytes() > options_.max_request_bytes)
    RefusePartial("a request is longer than " + std::to_string(options_.max_request_bytes) + " bytes", now);
}

void Session::RefusePartial(std::string description, RunningTime now) {
  const qmp::InputError error = reader_.RefusePartial(std::move(description));
  Emit(Reply::Failure(ErrorClass::kGenericError, error.description), error.id, now);
}

void Session::Start(Request request, RunningTime now) {
  if (ids_.size() >= kMaxRunning)
    return Emit(Reply::Failure(ErrorClass::kGenericError, std::string(kTooManyRunning)), request.id, now);
  const uint64_t token = ++last_token_;
  ids_.emplace(token, std::move(request.id));
  executor_.Execute(token, std::move(request), now);
}

void Session::Answer(uint64_t token, Reply reply, RunningTime now) {
  auto answered = ids_.extract(token);
  REEVE_CHECK(!answered.empty());
  Emit(std::move(reply), answered.mapped(), now);
}

void Session::Emit(Reply reply, const std::optional<json::Value>& id, RunningTime now) {
  if (is_closed_) return;
  if (output_.is_empty()) progress_ = now;
  // Who waits by `id` is told of success too.
  if (reply.kind == Reply::Kind::kNothing) reply = Reply::Return("{}");
  qmp::AppendReply(output_, std::move(reply), id);
}

void Session::ConsumeOutput(size_t count, RunningTime now) {
  output_.Consume(count);
  progress_ = now;
  if (kept_input_.empty() || IsFull()) return;
  const std::string input = std::exchange(kept_input_, {});
  Digest(AsBytes(input), now);
}

void Session::HangUp(RunningTime) {
  reader_.DropPartial();
  output_.Clear();
}

void Session::Close() {
  do {
    output_.Clear();
    const std::string input = std::exchange(kept_input_, {});
    Digest(AsBytes(input), progress_);
  } while (!kept_input_.empty());
  output_.Clear();
  is_closed_ = true;
  reader_.DropPartial();
}

std::optional<RunningTime> Session::NextWake() const {
  if (!IsFull()) return std::nullopt;
  return progress_ + options_.stall_timeout;
}

bool Session::ShouldClose(RunningTime now) const {
  return !is_closed_ && IsFull() && now >= progress_ + options_.stall_timeout;
}

}  // namespace reeve::native
