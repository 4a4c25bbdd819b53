#include "agent/sandbox/inherited.h"

#include <linux/netlink.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "base/sys.h"

namespace reeve::sandbox {
namespace {

using Kind = policy::InheritedFd::Kind;

// A few waiting peers; a plugin that accepts slowly should be seen by its clients.
constexpr int kListenBacklog = 8;

// A name of the profile is one path below `directory`, never a way out of it.
Result<std::string> Below(const std::string& directory, const std::string& path) {
  if (path.empty() || path.front() == '/' || ("/" + path + "/").find("/../") != std::string::npos) {
    return Fail(Code::kInvalidArgument, "'" + path + "' is not a path below " + directory);
  }
  return directory + "/" + path;
}

Result<sockaddr_un> UnixAddress(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return Fail(Code::kTooLarge, "socket path " + path + " is too long");
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

Result<UniqueFd> OpenSocket(int family, int type, int protocol) {
  UniqueFd socket(::socket(family, type | SOCK_CLOEXEC, protocol));
  if (!socket) return FailErrno("make a socket");
  return socket;
}

Result<UniqueFd> Connect(const std::string& path, int type) {
  const sockaddr_un address = REEVE_TRY(UnixAddress(path));
  UniqueFd socket = REEVE_TRY(OpenSocket(AF_UNIX, type, 0));
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) {
    return FailErrno("connect " + path);
  }
  return socket;
}

Result<UniqueFd> Listen(const std::string& path, uint32_t mode, uid_t owner) {
  const sockaddr_un address = REEVE_TRY(UnixAddress(path));
  UniqueFd socket = REEVE_TRY(OpenSocket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
  if (::unlink(path.c_str()) < 0 && errno != ENOENT) return FailErrno("unlink " + path);
  // The file's mode is 0777 less the umask: so no moment exists in which it is wider than asked.
  const mode_t before = ::umask(0777 & ~mode);
  const int bound = ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  ::umask(before);
  if (bound < 0) return FailErrno("bind " + path);
  if (::lchown(path.c_str(), owner, owner) < 0) return FailErrno("give away " + path);
  if (::listen(socket.get(), kListenBacklog) < 0) return FailErrno("listen on " + path);
  return socket;
}

// Whoever must know that no process of the plugin is left, not even one that is only ending, takes the lock alone.
Result<UniqueFd> OpenState(const std::string& path) {
  UniqueFd file = REEVE_TRY(sys::Open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
  if (::flock(file.get(), LOCK_SH) != 0) return FailErrno("lock " + path);
  return file;
}

}  // namespace

Result<UniqueFd> OpenInherited(const policy::InheritedFd& wanted, const std::string& run_directory, uid_t owner) {
  switch (wanted.kind) {
    case Kind::kMountinfo:
      return sys::Open("/proc/self/mountinfo", O_RDONLY);
    case Kind::kProcFile:
      return sys::Open(REEVE_TRY(Below("/proc", wanted.path)), O_RDONLY);
    case Kind::kNetlinkRoute:
      return OpenSocket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
    case Kind::kListen:
      return Listen(REEVE_TRY(Below(run_directory, wanted.path)), wanted.mode, owner);
    case Kind::kState:
      return OpenState(REEVE_TRY(Below(run_directory + "/state", wanted.path)));
    case Kind::kJournal:
      return Connect(kJournalPath, SOCK_DGRAM);
    case Kind::kSystemBus:
      break;
  }
  return Fail(Code::kInvalidArgument, "inherited descriptor '" + wanted.name + "' is not opened here");
}

Result<UniqueFd> ConnectSystemBus() {
  return Connect(kSystemBusPath, SOCK_STREAM);
}

}  // namespace reeve::sandbox
