#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "agent/reeve/session.h"
#include "base/check.h"
#include "base/json_parser.h"

// Claims: whatever a client of the control socket and the core do in whatever order, each line that leaves is one JSON
// object, each request runs once, what is held is bounded, and when the connection is over and all is answered nothing is
// left.

namespace reeve::native {
namespace {

class Play : public ProtocolSession::Executor {
 public:
  void Execute(uint64_t token, Request request, RunningTime) override {
    REEVE_CHECK(token > last_token_);
    last_token_ = token;
    if (request.command == "now") return session_.Answer(token, Reply::Return("1"), now_);
    running_.push_back(token);
    REEVE_CHECK(running_.size() <= kMaxRunning);
  }

  void Step(uint8_t act, std::string_view text) {
    switch (act % 8) {
      case 0:
        return session_.TakeInput(AsBytes("{\"execute\":\"slow\",\"id\":1}"), now_);
      case 1:
        return session_.TakeInput(AsBytes("{\"execute\":\"now\"}\n"), now_);
      case 2:
        return session_.TakeInput(AsBytes(text), now_);
      case 3:
        return AnswerOne(act);
      case 4:
        return Read(act / 8);
      case 5:
        return Read(SIZE_MAX);
      case 6:
        now_ += std::chrono::seconds(act);
        return session_.OnTime(now_);
      default:
        return session_.TakeInput(AsBytes(large_), now_);
    }
  }

  void End() {
    while (!session_.output().is_empty()) Read(SIZE_MAX);
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
    session_.Answer(answered, which % 3 == 0 ? Reply::Return("\"" + large_ + "\"") : Reply::Nothing(), now_);
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
      REEVE_CHECK(end != std::string_view::npos);
      const Result<json::Value> value = json::Parse(rest.substr(0, end));
      rest.remove_prefix(end + 1);
      REEVE_CHECK(value.has_value());
      REEVE_CHECK((value->Find("return") != nullptr) != (value->Find("error") != nullptr));
    }
  }

  RunningTime now_{0};
  uint64_t last_token_ = 0;
  std::vector<uint64_t> running_;
  std::string seen_;
  const std::string large_ = std::string(SessionOptions().max_request_bytes, 'x');
  Session session_{{}, *this};
};

void Check(std::string_view input) {
  Play play;
  while (!input.empty()) {
    const auto act = static_cast<uint8_t>(input.front());
    input.remove_prefix(1);
    const size_t length = act % 8 == 2 ? std::min<size_t>(input.size(), act / 8) : 0;
    play.Step(act, input.substr(0, length));
    input.remove_prefix(length);
  }
  play.End();
}

}  // namespace
}  // namespace reeve::native

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  reeve::native::Check({reinterpret_cast<const char*>(data), size});
  return 0;
}
