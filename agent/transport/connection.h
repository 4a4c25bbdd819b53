#pragma once

#include <sys/epoll.h>

#include <cstdint>
#include <span>

#include "agent/request.h"
#include "base/byte_queue.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace reeve::transport {

// What carries the bytes; the two behave differently at their ends.
enum class Medium : uint8_t {
  kStream,      // a connected socket: the end of the stream is the peer's end
  kVirtioPort,  // one port for all clients, one after the other: an end of the stream only says that nobody is there now
  kTerminal,    // an ISA serial line; likewise one for all, but at the end of the stream it was hung up and is dead
};

// One peer's byte stream: a connected socket, or a serial port. Never waits. Not thread-safe.
class Connection {
 public:
  // `fd` is non-blocking.
  Connection(UniqueFd fd, Medium medium, Peer peer) : fd_(std::move(fd)), medium_(medium), peer_(peer) {}

  int fd() const { return fd_.get(); }
  Medium medium() const { return medium_; }
  const Peer& peer() const { return peer_; }
  bool is_serial() const { return medium_ != Medium::kStream; }

  // The events to watch for. A serial port is edge-triggered: its EPOLLHUP is level and permanent while no host is
  // connected, so after an event it must be read until Read says kUnavailable or 0.
  uint32_t Events(bool wants_input, bool wants_output) const;

  // 0 is the end of the stream. kUnavailable: nothing to read now. kClosed: a peer that reset its connection, or a
  // port whose device is gone. Any other failure also ends the connection.
  Result<size_t> Read(std::span<uint8_t> into);

  // How many of the first bytes of `queue` the medium took, at most one write of them; the caller consumes them.
  // kUnavailable: it takes none now. kClosed as Read.
  Result<size_t> Write(const ByteQueue& queue);

 private:
  UniqueFd fd_;
  Medium medium_;
  Peer peer_;
};

}  // namespace reeve::transport
