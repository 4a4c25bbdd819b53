#pragma once

#include "agent/transport/connection.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace reeve::transport {

// A listening socket that somebody else bound: the warden (unix, vsock) or the service manager (LISTEN_FDS). Serves
// several clients at once. Not thread-safe.
class ListeningSocket {
 public:
  // Fails with kInvalidArgument when `fd` is no listening stream socket of family unix or vsock.
  // Calls getsockopt and fcntl: to be called before the run sandbox stands.
  static Result<ListeningSocket> Create(UniqueFd fd);

  int fd() const { return fd_.get(); }

  // The next client. kUnavailable: none waits, or it left before it was served; ask again at the next event.
  // kTooLarge: no descriptor or memory for one more; it stays in the queue, so the caller must pause before the
  // next try or it would spin. Any other failure is of the listening socket itself.
  Result<Connection> Accept();

 private:
  ListeningSocket(UniqueFd fd, int family) : fd_(std::move(fd)), family_(family) {}
  UniqueFd fd_;
  int family_;
};

}  // namespace reeve::transport
