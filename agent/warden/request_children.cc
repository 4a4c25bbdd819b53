#include "agent/warden/request_children.h"

#include <sys/socket.h>

#include <csignal>
#include <utility>

#include "base/bytes.h"
#include "base/sys.h"

namespace reeve::warden {
namespace {

constexpr size_t kMaxAnswerText = 4096;

struct AnswerHeader {
  uint32_t is_error = 0;
  int32_t error_number = 0;
  uint64_t number = 0;
};

Result<ChildAnswer> ReceiveAnswer(int socket_fd) {
  uint8_t buffer[sizeof(AnswerHeader) + kMaxAnswerText];
  sys::ReceivedMessage message = REEVE_TRY(sys::ReceiveMessage(socket_fd, buffer));
  if (message.bytes == 0) return Fail(Code::kClosed, "the child ended without an answer");
  ByteReader reader(Bytes(buffer).first(message.bytes));
  AnswerHeader header;
  if (!reader.Take(header) || message.is_truncated) return Fail(Code::kBadMessage, "the child's answer is malformed");
  return ChildAnswer{.is_error = header.is_error != 0,
                     .error_number = header.error_number,
                     .number = header.number,
                     .text = std::string(AsText(reader.rest())),
                     .fds = std::move(message.fds)};
}

}  // namespace

ChildAnswer ChildAnswer::Of(const Error& error) {
  ChildAnswer answer;
  answer.is_error = true;
  answer.error_number = error.system_errno();
  answer.text = error.message();
  return answer;
}

Status SendAnswer(int answer_fd, const ChildAnswer& answer) {
  const AnswerHeader header{answer.is_error ? 1U : 0U, answer.error_number, answer.number};
  const std::string text = answer.text.substr(0, kMaxAnswerText);
  const iovec pieces[] = {{const_cast<AnswerHeader*>(&header), sizeof header},
                          {const_cast<char*>(text.data()), text.size()}};
  std::vector<int> fds;
  for (const UniqueFd& fd : answer.fds) fds.push_back(fd.get());
  return sys::SendMessage(answer_fd, pieces, fds);
}

RequestChildren::~RequestChildren() {
  for (const auto& [pid, waiting] : waiting_) {
    loop_.Forget(waiting.socket.get());
    loop_.Cancel(waiting.timer);
  }
}

Result<pid_t> RequestChildren::Start(ForkOptions options, const Body& body, OnAnswer on_answer, OnEnd on_end) {
  if (running_ >= max_children_)
    return Fail(Code::kUnavailable, std::to_string(running_) + " earlier ones have not ended");
  sys::TwoFds sockets = REEVE_TRY(sys::SocketPair(SOCK_SEQPACKET));
  std::vector<int> kept(options.kept_fds.begin(), options.kept_fds.end());
  const int answer_fd = sockets.second.get();
  kept.push_back(answer_fd);
  options.kept_fds = kept;
  Child child = REEVE_TRY(Fork(options, [&body, answer_fd] { return body(answer_fd); }));
  const pid_t pid = child.pid;
  const int socket_fd = sockets.first.get();
  REEVE_TRY(reaper_.Watch(std::move(child),
                          [this, pid, on_end = std::move(on_end)](int status) { Ended(pid, on_end, status); }));
  ++running_;
  const Status watched = loop_.Watch(socket_fd, EPOLLIN, [this, pid](uint32_t) { TakeAnswer(pid); });
  if (!watched) reaper_.Signal(pid, SIGKILL);
  REEVE_TRY(watched);
  waiting_[pid] = Waiting{.socket = std::move(sockets.first),
                          .timer = loop_.After(kChildAnswerTimeout, [this, pid] { GiveUp(pid); }),
                          .on_answer = std::move(on_answer)};
  return pid;
}

void RequestChildren::TakeAnswer(pid_t pid) {
  const auto found = waiting_.find(pid);
  if (found == waiting_.end()) return;
  Result<ChildAnswer> answer = ReceiveAnswer(found->second.socket.get());
  if (!answer && answer.error().code() == Code::kUnavailable) return;
  Finish(pid, std::move(answer));
}

void RequestChildren::GiveUp(pid_t pid) {
  // A child in an uninterruptible sleep does not die of it; the reaper keeps watching it, nobody waits.
  reaper_.Signal(pid, SIGKILL);
  Finish(pid, Fail(Code::kTimedOut,
                   "no answer from the file system within " + std::to_string(kChildAnswerTimeout.count()) + " s"));
}

void RequestChildren::Finish(pid_t pid, Result<ChildAnswer> answer) {
  auto waiting = waiting_.extract(pid);
  if (waiting.empty()) return;
  loop_.Forget(waiting.mapped().socket.get());
  loop_.Cancel(waiting.mapped().timer);
  waiting.mapped().on_answer(std::move(answer));
}

void RequestChildren::Ended(pid_t pid, const OnEnd& on_end, int wait_status) {
  --running_;
  // The end of the process may be seen before the answer that it sent.
  TakeAnswer(pid);
  if (waiting_.contains(pid)) Finish(pid, Fail(Code::kClosed, "the child ended without an answer"));
  if (on_end) on_end(wait_status);
}

}  // namespace reeve::warden
