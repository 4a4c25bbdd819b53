#include "tools/reevectl/control_client.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/json_parser.h"
#include "base/json_writer.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace reeve::reevectl {
namespace {

using Clock = std::chrono::steady_clock;
// A listening socket whose queue is full has no event to wait for.
constexpr std::chrono::milliseconds kQueuePause{20};

template <typename T>
using Answer = std::expected<T, NoAnswer>;

std::unexpected<NoAnswer> NotRunning(std::string why) {
  return std::unexpected(NoAnswer{NoAnswer::Kind::kNotRunning, std::move(why)});
}

std::unexpected<NoAnswer> NoReply(std::string why) {
  return std::unexpected(NoAnswer{NoAnswer::Kind::kNoReply, std::move(why)});
}

// One question, up to one moment.
class Conversation {
 public:
  Conversation(const std::string& path, std::chrono::milliseconds timeout)
      : path_(path), timeout_(timeout), end_(Clock::now() + timeout) {}

  Answer<void> Connect() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path_.empty() || path_.size() >= sizeof address.sun_path)
      return NoReply("the path of a socket has 1 to 107 bytes: " + path_);
    std::memcpy(address.sun_path, path_.data(), path_.size());
    socket_ = UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket_) return NoReply("make a socket: " + ErrnoText(errno));
    while (::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      if (errno == ENOENT || errno == ECONNREFUSED) return NotRunning("nobody answers at " + path_);
      if (errno == EACCES || errno == EPERM) return NoReply("only root may ask at " + path_);
      if (errno != EAGAIN && errno != EINTR) return NoReply("connect to " + path_ + ": " + ErrnoText(errno));
      if (Clock::now() >= end_) return TooLate();
      ::poll(nullptr, 0, kQueuePause.count());
    }
    return {};
  }

  Answer<void> Say(std::string_view text) {
    while (!text.empty()) {
      const ssize_t sent = ::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL);
      if (sent > 0) {
        text.remove_prefix(static_cast<size_t>(sent));
      } else if (errno != EAGAIN && errno != EINTR) {
        return Closed();
      } else if (!WaitFor(POLLOUT)) {
        return TooLate();
      }
    }
    return {};
  }

  // One line without its end.
  Answer<std::string> Hear() {
    std::string heard;
    char buffer[64 * 1024];
    while (heard.size() <= kMaxReplyBytes) {
      const ssize_t count = ::recv(socket_.get(), buffer, sizeof buffer, 0);
      if (count == 0) return Closed();
      if (count < 0) {
        if (errno != EAGAIN && errno != EINTR) return Closed();
        if (!WaitFor(POLLIN)) return TooLate();
        continue;
      }
      const std::string_view piece(buffer, static_cast<size_t>(count));
      const size_t line_end = piece.find('\n');
      heard += piece.substr(0, line_end);
      if (line_end != std::string_view::npos) return heard;
    }
    return NoReply("the reply at " + path_ + " is too large");
  }

 private:
  bool WaitFor(short events) {
    const auto rest = std::chrono::duration_cast<std::chrono::milliseconds>(end_ - Clock::now());
    pollfd wait{socket_.get(), events, 0};
    return rest.count() > 0 && ::poll(&wait, 1, static_cast<int>(rest.count())) > 0;
  }
  std::unexpected<NoAnswer> TooLate() const {
    return NoReply("no answer at " + path_ + " within " + std::to_string(timeout_.count()) + " ms");
  }
  std::unexpected<NoAnswer> Closed() const {
    return NoReply("the connection to " + path_ +
                   " was closed before the answer: the core restarts, or you are not root");
  }

  const std::string& path_;
  const std::chrono::milliseconds timeout_;
  const Clock::time_point end_;
  UniqueFd socket_;
};

Answer<json::Value> ValueOf(const std::string& line) {
  Result<json::Value> reply = json::Parse(line);
  if (!reply) return NoReply("the reply is no JSON: " + reply.error().message());
  if (const json::Value* value = reply->Find("return")) return *value;
  const json::Value* error = reply->Find("error");
  const json::Value* text = error == nullptr ? nullptr : error->Find("desc");
  const std::string* why = text == nullptr ? nullptr : text->As<std::string>();
  return NoReply(why == nullptr ? "the reply says nothing" : *why);
}

}  // namespace

Answer<json::Value> Ask(const std::string& path, const std::string& command, std::chrono::milliseconds timeout) {
  Conversation conversation(path, timeout);
  std::string request = "{\"execute\": ";
  json::AppendString(request, command);
  request += "}\n";
  if (const auto connected = conversation.Connect(); !connected) return std::unexpected(connected.error());
  if (const auto said = conversation.Say(request); !said) return std::unexpected(said.error());
  const auto line = conversation.Hear();
  if (!line) return std::unexpected(line.error());
  return ValueOf(*line);
}

}  // namespace reeve::reevectl
