#pragma once

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/unique_fd.h"

// System calls as functions that return Result. One wrapper a call: EINTR is repeated here and nowhere else, errno
// becomes an Error here, with the name of the object. Descriptors are made close-on-exec. Thread-safe.

namespace reeve::sys {

Result<UniqueFd> Open(const std::string& path, int flags, mode_t mode = 0);
Result<UniqueFd> OpenAt(int directory_fd, const std::string& path, int flags, mode_t mode = 0);
// openat2(2). `path` is only for the error's text beside being opened.
Result<UniqueFd> OpenAt2(int directory_fd, const std::string& path, const open_how& how);

// A non-blocking descriptor with nothing to read or no room fails with kUnavailable. 0 is the end of the stream.
Result<size_t> Read(int fd, std::span<uint8_t> into);
Result<size_t> Write(int fd, Bytes bytes);
Result<size_t> WriteVector(int fd, std::span<const iovec> pieces);
// Repeats until all is written; for descriptors that block.
Status WriteAll(int fd, Bytes bytes);
Result<size_t> ReadAt(int fd, std::span<uint8_t> into, off_t offset);

// The whole of a file from its current position. Fails with kTooLarge above `limit_bytes`, before reading more.
Result<std::string> ReadToEnd(int fd, size_t limit_bytes);
Result<std::string> ReadFile(const std::string& path, size_t limit_bytes);

Status SetNonBlocking(int fd);
Status SetCloseOnExec(int fd, bool close_on_exec);
Result<struct stat> Stat(int fd);
Result<UniqueFd> Duplicate(int fd);  // close-on-exec

struct TwoFds {
  UniqueFd first;
  UniqueFd second;
};
// `flags` of pipe2(2) beside O_CLOEXEC: O_NONBLOCK. `first` is the reading end.
Result<TwoFds> Pipe(int flags = 0);
// `type` of socket(2): SOCK_SEQPACKET, SOCK_STREAM, with SOCK_NONBLOCK.
Result<TwoFds> SocketPair(int type);

// memfd_create(2), close-on-exec, sealable, `size_bytes` of zeros.
Result<UniqueFd> MemoryFile(const char* name, size_t size_bytes);
// One that holds `text`, to be read from its beginning.
Result<UniqueFd> MemoryFileOf(const char* name, std::string_view text);
// All that a file holds, from its beginning, whatever its position. kTooLarge above `limit_bytes`.
Result<std::string> ReadFromStart(int fd, size_t limit_bytes);
// Puts a file of these bytes at `path`, in place of any other, by way of `path`.new: whole or not at all.
Status ReplaceFile(const std::string& path, mode_t mode, Bytes bytes);
Status AddSeals(int fd, int seals);
Result<int> Seals(int fd);

// One message over a unix socket, with descriptors, which stay the caller's. Never waits and never raises SIGPIPE:
// kUnavailable when the socket is full. All of it is sent or nothing.
Status SendMessage(int socket_fd, std::span<const iovec> pieces, std::span<const int> fds = {});

struct ReceivedMessage {
  size_t bytes = 0;  // 0: the peer closed
  std::vector<UniqueFd> fds;
  bool is_truncated = false;  // MSG_TRUNC or MSG_CTRUNC: more was sent than fits
};
inline constexpr size_t kMaxFdsPerMessage = 8;
// One message into `into`. Never waits: kUnavailable when there is none.
Result<ReceivedMessage> ReceiveMessage(int socket_fd, std::span<uint8_t> into);

// A shared or private mapping of a file, unmapped at the end.
class Mapping {
 public:
  Mapping() = default;
  Mapping(Mapping&& other) noexcept;
  Mapping& operator=(Mapping&& other) noexcept;
  ~Mapping();
  Bytes bytes() const { return {data_, size_}; }
  std::span<uint8_t> writable_bytes() { return {data_, size_}; }  // REQUIRES: mapped with PROT_WRITE

 private:
  friend Result<Mapping> Map(int, size_t, int, int);
  Mapping(uint8_t* data, size_t size) : data_(data), size_(size) {}
  uint8_t* data_ = nullptr;
  size_t size_ = 0;
};
Result<Mapping> Map(int fd, size_t size_bytes, int protection, int flags);

}  // namespace reeve::sys
