#include "base/sys.h"

#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstring>

namespace reeve::sys {
namespace {

static_assert(std::endian::native == std::endian::little, "the messages are little-endian as they stand");

template <typename Call>
auto RetryOnInterrupt(Call call) {
  while (true) {
    const auto result = call();
    if (result != -1 || errno != EINTR) return result;
  }
}

Result<UniqueFd> Opened(long fd, const std::string& tried) {
  if (fd < 0) return FailErrno(tried);
  return UniqueFd(static_cast<int>(fd));
}

}  // namespace

Result<UniqueFd> Open(const std::string& path, int flags, mode_t mode) {
  return OpenAt(AT_FDCWD, path, flags, mode);
}

Result<UniqueFd> OpenAt(int directory_fd, const std::string& path, int flags, mode_t mode) {
  const int fd = RetryOnInterrupt([&] { return ::openat(directory_fd, path.c_str(), flags | O_CLOEXEC, mode); });
  return Opened(fd, "open " + path);
}

Result<UniqueFd> OpenAt2(int directory_fd, const std::string& path, const open_how& how) {
  open_how with_cloexec = how;
  with_cloexec.flags |= O_CLOEXEC;
  const long fd = RetryOnInterrupt(
      [&] { return ::syscall(SYS_openat2, directory_fd, path.c_str(), &with_cloexec, sizeof with_cloexec); });
  return Opened(fd, "open " + path);
}

Result<size_t> Read(int fd, std::span<uint8_t> into) {
  const ssize_t count = RetryOnInterrupt([&] { return ::read(fd, into.data(), into.size()); });
  if (count < 0) return FailErrno("read");
  return static_cast<size_t>(count);
}

Result<size_t> ReadAt(int fd, std::span<uint8_t> into, off_t offset) {
  const ssize_t count = RetryOnInterrupt([&] { return ::pread(fd, into.data(), into.size(), offset); });
  if (count < 0) return FailErrno("read");
  return static_cast<size_t>(count);
}

Result<size_t> Write(int fd, Bytes bytes) {
  const ssize_t count = RetryOnInterrupt([&] { return ::write(fd, bytes.data(), bytes.size()); });
  if (count < 0) return FailErrno("write");
  return static_cast<size_t>(count);
}

Result<size_t> WriteVector(int fd, std::span<const iovec> pieces) {
  const ssize_t count = RetryOnInterrupt([&] { return ::writev(fd, pieces.data(), static_cast<int>(pieces.size())); });
  if (count < 0) return FailErrno("write");
  return static_cast<size_t>(count);
}

Status WriteAll(int fd, Bytes bytes) {
  while (!bytes.empty()) bytes = bytes.subspan(REEVE_TRY(Write(fd, bytes)));
  return {};
}

Result<std::string> ReadToEnd(int fd, size_t limit_bytes) {
  std::string text;
  uint8_t piece[16384];
  while (true) {
    const size_t count = REEVE_TRY(Read(fd, piece));
    if (count == 0) return text;
    if (count > limit_bytes - text.size())
      return Fail(Code::kTooLarge, "larger than " + std::to_string(limit_bytes) + " bytes");
    text.append(reinterpret_cast<const char*>(piece), count);
  }
}

Result<std::string> ReadFile(const std::string& path, size_t limit_bytes) {
  const UniqueFd fd = REEVE_TRY(Open(path, O_RDONLY));
  Result<std::string> text = ReadToEnd(fd.get(), limit_bytes);
  if (!text) return Fail(text.error().Within(path));
  return text;
}

Status SetNonBlocking(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) return FailErrno("set non-blocking");
  return {};
}

Status SetCloseOnExec(int fd, bool close_on_exec) {
  if (::fcntl(fd, F_SETFD, close_on_exec ? FD_CLOEXEC : 0) < 0) return FailErrno("set close-on-exec");
  return {};
}

Result<struct stat> Stat(int fd) {
  struct stat status{};
  if (::fstat(fd, &status) < 0) return FailErrno("fstat");
  return status;
}

Result<UniqueFd> Duplicate(int fd) {
  return Opened(::fcntl(fd, F_DUPFD_CLOEXEC, 0), "duplicate descriptor");
}

Result<TwoFds> Pipe(int flags) {
  int fds[2];
  if (::pipe2(fds, flags | O_CLOEXEC) < 0) return FailErrno("make a pipe");
  return TwoFds{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

Result<TwoFds> SocketPair(int type) {
  int fds[2];
  if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds) < 0) return FailErrno("make a socket pair");
  return TwoFds{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

Result<UniqueFd> MemoryFile(const char* name, size_t size_bytes) {
  UniqueFd fd = REEVE_TRY(Opened(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING), "make a memory file"));
  if (RetryOnInterrupt([&] { return ::ftruncate(fd.get(), static_cast<off_t>(size_bytes)); }) < 0)
    return FailErrno("size a memory file");
  return fd;
}

Result<UniqueFd> MemoryFileOf(const char* name, std::string_view text) {
  UniqueFd file = REEVE_TRY(MemoryFile(name, 0));
  REEVE_TRY(WriteAll(file.get(), AsBytes(text)));
  if (::lseek(file.get(), 0, SEEK_SET) < 0) return FailErrno("seek in a memory file");
  return file;
}

Result<std::string> ReadFromStart(int fd, size_t limit_bytes) {
  if (::lseek(fd, 0, SEEK_SET) < 0) return FailErrno("seek in a file");
  return ReadToEnd(fd, limit_bytes);
}

Status ReplaceFile(const std::string& path, mode_t mode, Bytes bytes) {
  const std::string next = path + ".new";
  const UniqueFd file = REEVE_TRY(Open(next, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode));
  REEVE_TRY(WriteAll(file.get(), bytes));
  if (std::rename(next.c_str(), path.c_str()) != 0) return FailErrno("replace " + path);
  return {};
}

Status AddSeals(int fd, int seals) {
  if (::fcntl(fd, F_ADD_SEALS, seals) < 0) return FailErrno("seal a memory file");
  return {};
}

Result<int> Seals(int fd) {
  const int seals = ::fcntl(fd, F_GET_SEALS);
  if (seals < 0) return FailErrno("read the seals of a memory file");
  return seals;
}

Status SendMessage(int socket_fd, std::span<const iovec> pieces, std::span<const int> fds) {
  if (fds.size() > kMaxFdsPerMessage) return Fail(Code::kTooLarge, "too many descriptors in one message");
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(pieces.data());
  message.msg_iovlen = pieces.size();
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxFdsPerMessage)] = {};
  if (!fds.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(fds.size_bytes());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(header), fds.data(), fds.size_bytes());
  }
  const ssize_t sent = RetryOnInterrupt([&] { return ::sendmsg(socket_fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT); });
  if (sent < 0) return FailErrno("send a message");
  return {};
}

Result<ReceivedMessage> ReceiveMessage(int socket_fd, std::span<uint8_t> into) {
  iovec piece{into.data(), into.size()};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxFdsPerMessage)];
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t count =
      RetryOnInterrupt([&] { return ::recvmsg(socket_fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT); });
  if (count < 0) return FailErrno("receive a message");

  ReceivedMessage received;
  received.bytes = static_cast<size_t>(count);
  received.is_truncated = (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const size_t fd_count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < fd_count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
      received.fds.emplace_back(fd);
    }
  }
  return received;
}

Mapping::Mapping(Mapping&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Mapping& Mapping::operator=(Mapping&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

Mapping::~Mapping() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

Result<Mapping> Map(int fd, size_t size_bytes, int protection, int flags) {
  void* data = ::mmap(nullptr, size_bytes, protection, flags, fd, 0);
  if (data == MAP_FAILED) return FailErrno("map a file");
  return Mapping(static_cast<uint8_t*>(data), size_bytes);
}

}  // namespace reeve::sys
