#include "agent/start/listeners.h"

#include <linux/vm_sockets.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "base/cleanup.h"
#include "base/sys.h"

namespace reeve::start {
namespace {

constexpr int kFirstActivatedFd = 3;  // sd_listen_fds(3)
// Clients that connect in the time that a core needs to come back.
constexpr int kBacklog = 128;

template <typename Number>
bool ParseNumber(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

Status BindAndListen(int fd, const sockaddr* address, socklen_t length, const std::string& name) {
  if (::bind(fd, address, length) != 0) return FailErrno("bind " + name);
  if (::listen(fd, kBacklog) != 0) return FailErrno("listen on " + name);
  return {};
}

// What an earlier run left goes, as with qemu-ga; a file that is no socket is somebody's, and a wrong path is to be told.
Status RemoveStaleSocket(const std::string& path) {
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0) return {};
  if (!S_ISSOCK(status.st_mode)) return Fail(Code::kInvalidArgument, path + " is there and is no socket");
  if (::unlink(path.c_str()) != 0) return FailErrno("remove " + path);
  return {};
}

// The socket's file has at most `mode` from its first moment, and what the umask takes is taken too (a daemon's takes
// more). umask(2) is of the whole process, which has one thread yet.
Result<UniqueFd> ListenUnix(const std::string& path, mode_t mode) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path)
    return Fail(Code::kInvalidArgument, "the path of a unix socket has 1 to 107 bytes: " + path);
  std::memcpy(address.sun_path, path.data(), path.size());
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return FailErrno("make a unix socket");
  REEVE_TRY(RemoveStaleSocket(path));
  const mode_t umask_before = ::umask(0777);
  ::umask(umask_before | (0777 & ~mode));
  const Cleanup restore_umask = [&] { ::umask(umask_before); };
  REEVE_TRY(BindAndListen(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address, path));
  return fd;
}

Result<UniqueFd> ListenVsock(const std::string& text) {
  const VsockAddress parsed = REEVE_TRY(ParseVsockAddress(text));
  sockaddr_vm address{};
  address.svm_family = AF_VSOCK;
  address.svm_cid = parsed.cid;
  address.svm_port = parsed.port;
  UniqueFd fd(::socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return FailErrno("make a vsock socket");
  REEVE_TRY(BindAndListen(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address, "vsock " + text));
  return fd;
}

Result<UniqueFd> TakeActivated(int index, int activated_count) {
  if (index >= activated_count)
    return Fail(Code::kInvalidArgument, "the service manager passed " + std::to_string(activated_count) +
                                            " sockets, fewer than channels are to be activated");
  UniqueFd fd(kFirstActivatedFd + index);
  int is_listening = 0;
  socklen_t length = sizeof is_listening;
  if (::getsockopt(fd.get(), SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &length) != 0 || is_listening == 0)
    return Fail(Code::kInvalidArgument, "the service manager passed what is no listening socket");
  REEVE_TRY(sys::SetNonBlocking(fd.get()));
  return fd;
}

}  // namespace

Result<VsockAddress> ParseVsockAddress(const std::string& text) {
  const size_t colon = text.find(':');
  VsockAddress address{.cid = VMADDR_CID_ANY, .port = 0};
  const std::string_view cid = std::string_view(text).substr(0, colon);
  const bool is_any = cid.empty() || cid == "-1";
  if (colon == std::string::npos || (!is_any && !ParseNumber(cid, address.cid)) ||
      !ParseNumber(std::string_view(text).substr(colon + 1), address.port))
    return Fail(Code::kInvalidArgument, "a vsock address is <cid>:<port>, not " + text);
  return address;
}

Result<std::vector<UniqueFd>> MakeListeners(const std::vector<config::Channel>& channels, int activated_count) {
  std::vector<UniqueFd> listeners;
  int next_activated = 0;
  for (const config::Channel& channel : channels) {
    if (channel.transport == config::Transport::kUnixListen)
      listeners.push_back(REEVE_TRY(ListenUnix(channel.path, channel.socket_mode)));
    if (channel.transport == config::Transport::kVsockListen) listeners.push_back(REEVE_TRY(ListenVsock(channel.path)));
    if (channel.transport == config::Transport::kActivated)
      listeners.push_back(REEVE_TRY(TakeActivated(next_activated++, activated_count)));
  }
  return listeners;
}

int TakeActivatedCount() {
  const char* pid = std::getenv("LISTEN_PID");
  const char* count = std::getenv("LISTEN_FDS");
  int activated_count = 0;
  pid_t meant = 0;
  const bool is_for_us = pid != nullptr && count != nullptr && ParseNumber(pid, meant) && meant == ::getpid() &&
                         ParseNumber(count, activated_count) && activated_count > 0;
  for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) ::unsetenv(name);
  if (!is_for_us) return 0;
  static_cast<void>(
      sys::SetCloseOnExec(kFirstActivatedFd, true));  // with more than one nothing starts (ActivatedMethod)
  return activated_count;
}

Result<std::string> ActivatedMethod(int activated_count) {
  if (activated_count == 0) return "";
  if (activated_count > 1) return Fail(Code::kInvalidArgument, "qemu-ga only supports listening on one socket");
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  const bool is_socket = ::getsockname(kFirstActivatedFd, reinterpret_cast<sockaddr*>(&address), &length) == 0;
  if (is_socket && address.ss_family == AF_UNIX) return "unix-listen";
  if (is_socket && address.ss_family == AF_VSOCK) return "vsock-listen";
  return Fail(Code::kInvalidArgument, "unsupported listen fd type");
}

}  // namespace reeve::start
