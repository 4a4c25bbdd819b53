#include "agent/transport/connection.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/sys.h"

namespace reeve::transport {
namespace {

// The virtio console driver sends at most this much of one write(2) and would take a longer one apart by itself.
constexpr size_t kMaxSerialWriteBytes = 32 * 1024;
// Blocks of a ByteQueue are 256 KiB or as large as a reply: more of them in one call gain nothing.
constexpr size_t kMaxPieces = 16;

// Errors that say: the other end, or the device, is gone.
bool IsGone(int system_errno) {
  switch (system_errno) {
    case EPIPE:
    case ECONNRESET:
    case ENOTCONN:
    case ETIMEDOUT:
    case ENODEV:  // a virtio port that was unplugged
    case ENXIO:
    case EIO:  // a terminal whose line hung up
      return true;
    default:
      return false;
  }
}

Result<size_t> AsClosed(Result<size_t> result) {
  if (!result && IsGone(result.error().system_errno())) return Fail(Code::kClosed, result.error().message());
  return result;
}

size_t CutTo(std::span<iovec> pieces, size_t count, size_t limit_bytes) {
  for (size_t i = 0; i < count; ++i) {
    pieces[i].iov_len = std::min(pieces[i].iov_len, limit_bytes);
    limit_bytes -= pieces[i].iov_len;
    if (limit_bytes == 0) return i + 1;
  }
  return count;
}

// Without SIGPIPE, which writev(2) on a socket would raise.
Result<size_t> SendOnSocket(int fd, std::span<iovec> pieces) {
  msghdr message{};
  message.msg_iov = pieces.data();
  message.msg_iovlen = pieces.size();
  ssize_t sent;
  do sent = ::sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  while (sent < 0 && errno == EINTR);
  if (sent < 0) return FailErrno("write to a client");
  return static_cast<size_t>(sent);
}

}  // namespace

uint32_t Connection::Events(bool wants_input, bool wants_output) const {
  if (is_serial()) return EPOLLIN | EPOLLOUT | EPOLLET;
  uint32_t events = 0;
  if (wants_input) events |= EPOLLIN | EPOLLRDHUP;
  if (wants_output) events |= EPOLLOUT;
  return events;
}

Result<size_t> Connection::Read(std::span<uint8_t> into) {
  return AsClosed(sys::Read(fd_.get(), into));
}

Result<size_t> Connection::Write(const ByteQueue& queue) {
  std::array<iovec, kMaxPieces> pieces;
  size_t count = queue.Front(pieces);
  if (!is_serial()) return AsClosed(SendOnSocket(fd_.get(), {pieces.data(), count}));
  count = CutTo(pieces, count, kMaxSerialWriteBytes);
  return AsClosed(sys::WriteVector(fd_.get(), {pieces.data(), count}));
}

}  // namespace reeve::transport
