#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/warden/child.h"
#include "base/event_loop.h"
#include "base/result.h"
#include "base/unique_fd.h"

// What may sleep on a file system is done by a child forked for that one act, so that a frozen or dead mount can hold the
// child for ever and the warden never (design, section 1). Not thread-safe.

namespace reeve::warden {

// No answer within this: the child is killed and forgotten.
inline constexpr std::chrono::seconds kChildAnswerTimeout{5};

// What a child found out: an error (number 0 when no errno fits, and text), or descriptors and a number.
struct ChildAnswer {
  bool is_error = false;
  int error_number = 0;
  uint64_t number = 0;
  std::string text;
  std::vector<UniqueFd> fds;

  static ChildAnswer Of(const Error& error);
};

// In the child: sends the answer. At most sys::kMaxFdsPerMessage descriptors; the text is cut at 4 KiB.
Status SendAnswer(int answer_fd, const ChildAnswer& answer);
// A body of RequestChildren that sends what `act` comes to, and ends.
template <typename Act>
auto AnswerBy(Act act) {
  return [act](int answer_fd) {
    Result<ChildAnswer> answer = act();
    return SendAnswer(answer_fd, answer ? std::move(*answer) : ChildAnswer::Of(answer.error())) ? 0 : 1;
  };
}

class RequestChildren {
 public:
  // At most this many at one time, the stuck ones that cannot be killed included.
  RequestChildren(EventLoop& loop, Reaper& reaper, size_t max_children)
      : loop_(loop), reaper_(reaper), max_children_(max_children) {}
  RequestChildren(const RequestChildren&) = delete;
  RequestChildren& operator=(const RequestChildren&) = delete;
  ~RequestChildren();

  // Runs in the child with the socket for SendAnswer; its result is the exit status.
  using Body = std::function<int(int answer_fd)>;
  // Called once: the answer; kClosed when the child closed the socket without one (it became another program, or died);
  // kTimedOut.
  using OnAnswer = std::function<void(Result<ChildAnswer>)>;
  // Called when the child has ended, after OnAnswer.
  using OnEnd = std::function<void(int wait_status)>;

  // Returns the child's pid. Fails with kUnavailable above the limit.
  Result<pid_t> Start(ForkOptions options, const Body& body, OnAnswer on_answer, OnEnd on_end = {});
  size_t running() const { return running_; }

 private:
  struct Waiting {
    UniqueFd socket;
    EventLoop::TimerId timer = 0;
    OnAnswer on_answer;
  };
  void TakeAnswer(pid_t pid);
  void GiveUp(pid_t pid);
  void Finish(pid_t pid, Result<ChildAnswer> answer);
  void Ended(pid_t pid, const OnEnd& on_end, int wait_status);

  EventLoop& loop_;
  Reaper& reaper_;
  size_t max_children_;
  size_t running_ = 0;
  std::unordered_map<pid_t, Waiting> waiting_;
};

}  // namespace reeve::warden
