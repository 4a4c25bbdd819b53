#include "agent/wire/packet.h"

#include <poll.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>

#include "base/sys.h"

namespace reeve::wire {
namespace {

// A peer that closed with our words unread shows as ECONNRESET, one that closed before as EPIPE: both are gone.
Error Translated(const Error& error) {
  if (error.system_errno() == EPIPE || error.system_errno() == ECONNRESET)
    return Error(Code::kClosed, "the peer closed the socket");
  return error;
}

}  // namespace

Status Send(int socket_fd, Header header, Bytes payload, Bytes tail, std::span<const int> fds) {
  const size_t payload_bytes = payload.size() + tail.size();
  if (payload_bytes > kMaxMessageBytes - sizeof header) return Fail(Code::kTooLarge, "a message is too long to send");
  header.payload_bytes = static_cast<uint32_t>(payload_bytes);
  const auto piece = [](Bytes bytes) { return iovec{const_cast<uint8_t*>(bytes.data()), bytes.size()}; };
  const std::array<iovec, 3> pieces = {piece(BytesOf(header)), piece(payload), piece(tail)};
  const Status sent = sys::SendMessage(socket_fd, pieces, fds);
  if (!sent) return Fail(Translated(sent.error()));
  return {};
}

Result<Packet> Receive(int socket_fd) {
  // One buffer a thread, so that a short packet costs one small allocation and not 64 KiB.
  thread_local std::array<uint8_t, kMaxMessageBytes> buffer;
  Result<sys::ReceivedMessage> received = sys::ReceiveMessage(socket_fd, buffer);
  if (!received) return Fail(Translated(received.error()));
  sys::ReceivedMessage& message = *received;
  if (message.is_truncated)
    return Fail(Code::kBadMessage, "a message is longer, or has more descriptors, than any may");
  if (message.bytes == 0) return Fail(Code::kClosed, "the peer closed the socket");
  Packet packet;
  ByteReader reader(Bytes(buffer.data(), message.bytes));
  if (!reader.Take(packet.header)) return Fail(Code::kBadMessage, "a message is shorter than its header");
  if (packet.header.magic != kMagic) return Fail(Code::kBadMessage, "a message does not begin as one");
  if (packet.header.reserved != 0) return Fail(Code::kBadMessage, "a reserved field of a message is not zero");
  if (packet.header.payload_bytes != reader.rest().size())
    return Fail(Code::kBadMessage, "a message is not as long as it says");
  packet.payload.assign(reader.rest().begin(), reader.rest().end());
  packet.fds = std::move(message.fds);
  return packet;
}

Status WaitForSocket(int socket_fd, short events) {
  pollfd poll_fd{.fd = socket_fd, .events = events, .revents = 0};
  while (::poll(&poll_fd, 1, -1) < 0) {
    if (errno != EINTR) return FailErrno("poll a socket");
  }
  return {};
}

Status SendWaiting(int socket_fd, const Header& header, Bytes payload, Bytes tail) {
  while (true) {
    Status sent = Send(socket_fd, header, payload, tail);
    if (sent || sent.error().code() != Code::kUnavailable) return sent;
    REEVE_TRY(WaitForSocket(socket_fd, POLLOUT));
  }
}

Result<Packet> ReceiveWaiting(int socket_fd) {
  while (true) {
    Result<Packet> packet = Receive(socket_fd);
    if (packet || packet.error().code() != Code::kUnavailable) return packet;
    REEVE_TRY(WaitForSocket(socket_fd, POLLIN));
  }
}

}  // namespace reeve::wire
