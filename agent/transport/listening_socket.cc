#include "agent/transport/listening_socket.h"

#include <linux/vm_sockets.h>
#include <sys/socket.h>

#include <cerrno>

#include "base/sys.h"

namespace reeve::transport {
namespace {

Result<int> Option(int fd, int option, const char* what) {
  int value = 0;
  socklen_t size = sizeof value;
  if (::getsockopt(fd, SOL_SOCKET, option, &value, &size) < 0) return FailErrno(what);
  return value;
}

// accept(2) hands on what befell the connection before it was accepted.
bool IsOfTheClient(int system_errno) {
  switch (system_errno) {
    case EAGAIN:
    case ECONNABORTED:
    case EPERM:
    case EPROTO:
    case ENETDOWN:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ECONNRESET:
    case ETIMEDOUT:
      return true;
    default:
      return false;
  }
}

bool IsOfResources(int system_errno) {
  return system_errno == EMFILE || system_errno == ENFILE || system_errno == ENOBUFS || system_errno == ENOMEM;
}

Result<Peer> UnixPeer(int fd) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0) return FailErrno("ask who the client is");
  return Peer{Peer::Kind::kUnix, credentials.uid, 0};
}

}  // namespace

Result<ListeningSocket> ListeningSocket::Create(UniqueFd fd) {
  const int family = REEVE_TRY(Option(fd.get(), SO_DOMAIN, "look at the listening socket"));
  const int type = REEVE_TRY(Option(fd.get(), SO_TYPE, "look at the listening socket"));
  const int listens = REEVE_TRY(Option(fd.get(), SO_ACCEPTCONN, "look at the listening socket"));
  if ((family != AF_UNIX && family != AF_VSOCK) || type != SOCK_STREAM || listens == 0)
    return Fail(Code::kInvalidArgument, "the inherited descriptor is no listening unix or vsock stream socket");
  REEVE_TRY(sys::SetNonBlocking(fd.get()));
  return ListeningSocket(std::move(fd), family);
}

Result<Connection> ListeningSocket::Accept() {
  sockaddr_vm address{};  // filled in by vsock; a unix client's address says nothing
  socklen_t size = sizeof address;
  UniqueFd client(::accept4(fd_.get(), reinterpret_cast<sockaddr*>(&address), &size, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!client) {
    if (errno == EINTR || IsOfTheClient(errno)) return Fail(Code::kUnavailable, "no client waits");
    if (IsOfResources(errno)) return Fail(Code::kTooLarge, "accept a client: " + ErrnoText(errno));
    return FailErrno("accept a client");
  }
  Peer peer{Peer::Kind::kVsock, 0, address.svm_cid};
  if (family_ == AF_UNIX) {
    const auto unix_peer = UnixPeer(client.get());
    // Who cannot be named is not served; the next one may be.
    if (!unix_peer) return Fail(Code::kUnavailable, unix_peer.error().message());
    peer = *unix_peer;
  }
  return Connection(std::move(client), Medium::kStream, peer);
}

}  // namespace reeve::transport
