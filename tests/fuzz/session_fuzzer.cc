#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "agent/qga/session.h"
#include "base/check.h"
#include "base/json_parser.h"

// Claims: whatever host, core and time do in whatever order, each line that leaves whole is one JSON object,
// each request runs once, and when the connection is over and all is answered nothing is left.

namespace reeve::qga {
namespace {

class Play : public Session::Executor {
 public:
  Play(SessionOptions options) : session_(options, *this) {}

  void Execute(uint64_t token, Request request, RunningTime arrived) override {
    REEVE_CHECK(token > last_token_ || std::ranges::find(running_, token) == running_.end());
    REEVE_CHECK(arrived <= now_);
    last_token_ = std::max(token, last_token_);
    if (request.command.starts_with("guest-")) {
      session_.Answer(token, Reply::Return("1"), now_);
    } else {
      running_.push_back(token);
    }
  }

  void Step(uint8_t act, std::string_view text) {
    static constexpr std::string_view kInputs[] = {"{\"execute\":\"slow\",\"id\":1}\n", "{\"execute\":\"guest-ping\"}",
                                                   "{\"execute\":\"guest-sync\",\"arguments\":{\"id\":7}}\n",
                                                   "{\"execute\":\"guest-sync-delimited\",\"arguments\":{\"id\":8}}\n"};
    switch (act % 12) {
      case 0:
      case 1:
      case 2:
      case 3:
        session_.TakeInput(AsBytes(kInputs[act % 4]), now_);
        break;
      case 4:
        session_.TakeInput(AsBytes(text), now_);
        break;
      case 5:
        AnswerOne(act);
        break;
      case 6:
        Read(act / 12);
        break;
      case 7:
        Read(SIZE_MAX);
        break;
      case 8:
        now_ += std::chrono::milliseconds(act * 10);
        session_.OnTime(now_);
        break;
      case 9:
        now_ += std::chrono::milliseconds(act);
        if (session_.NextWake() && *session_.NextWake() <= now_) session_.OnTime(now_);
        break;
      case 10:
        session_.HangUp(now_);
        break;
      default:
        session_.DropQueuedOutput();
        break;
    }
  }

  void End() {
    while (!session_.output().is_empty()) Read(SIZE_MAX);
    REEVE_CHECK(seen_.empty() || seen_.back() == '\n');
    session_.Close();
    while (!running_.empty()) AnswerOne(0);
    REEVE_CHECK(session_.is_idle());
    REEVE_CHECK(session_.output().is_empty());
    CheckLines();
  }

 private:
  void AnswerOne(size_t which) {
    if (running_.empty()) return;
    const auto token = running_.begin() + static_cast<std::ptrdiff_t>(which % running_.size());
    const uint64_t answered = *token;
    running_.erase(token);
    session_.Answer(answered, Reply::Return(which % 3 == 0 ? large_ : "[]"), now_);
  }

  void Read(size_t count) {
    const std::string output = session_.output().ToString().substr(0, count);
    seen_ += output;
    session_.ConsumeOutput(output.size(), now_);
  }

  void CheckLines() const {
    std::string_view rest = seen_;
    while (!rest.empty()) {
      const size_t end = rest.find('\n');
      std::string_view line = rest.substr(0, end);
      rest.remove_prefix(end + 1);
      if (line.starts_with('\xFF')) line.remove_prefix(1);
      const Result<json::Value> value = json::Parse(line);
      REEVE_CHECK(value.has_value());
      REEVE_CHECK(value->Find("return") != nullptr || value->Find("error") != nullptr);
    }
  }

  RunningTime now_{0};
  uint64_t last_token_ = 0;
  std::vector<uint64_t> running_;
  std::string seen_;
  const std::string large_ = "\"" + std::string(kMaxQueuedOutputBytes / 2, 'x') + "\"";
  Session session_;
};

void Check(std::string_view input) {
  SessionOptions options;
  options.is_serial = (input.front() & 1) != 0;
  if ((input.front() & 2) != 0) options.sync_timeout.reset();
  input.remove_prefix(1);
  Play play(options);
  while (!input.empty()) {
    const auto act = static_cast<uint8_t>(input.front());
    input.remove_prefix(1);
    const size_t length = act % 12 == 4 ? std::min<size_t>(input.size(), act / 12) : 0;
    play.Step(act, input.substr(0, length));
    input.remove_prefix(length);
  }
  play.End();
}

}  // namespace
}  // namespace reeve::qga

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 0) reeve::qga::Check({reinterpret_cast<const char*>(data), size});
  return 0;
}
