#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "agent/wire/messages.h"
#include "base/bytes.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace reeve::wire {

// Sends one message; descriptors stay the caller's. Never waits: kUnavailable when the socket is full, kClosed when the
// peer is gone. header.payload_bytes is filled in. Fails with kTooLarge above kMaxMessageBytes.
Status Send(int socket_fd, Header header, Bytes payload, Bytes tail = {}, std::span<const int> fds = {});

// A message with a payload struct.
template <typename Payload>
Status Send(int socket_fd, const Header& header, const Payload& payload, std::string_view tail = {},
            std::span<const int> fds = {}) {
  return Send(socket_fd, header, BytesOf(payload), AsBytes(tail), fds);
}

// One received message. `payload` is a copy in this process's own memory.
struct Packet {
  Header header;
  std::vector<uint8_t> payload;
  std::vector<UniqueFd> fds;

  // The payload struct and what follows it. Fails with kBadMessage when the payload is shorter than the struct.
  template <typename Payload>
  Result<Payload> Read(Bytes* tail = nullptr) const {
    ByteReader reader(payload);
    Payload value;
    if (!reader.Take(value)) return Fail(Code::kBadMessage, "a message is shorter than its type demands");
    if (tail != nullptr) *tail = reader.rest();
    if (tail == nullptr && !reader.rest().empty())
      return Fail(Code::kBadMessage, "a message is longer than its type demands");
    return value;
  }
};

// The next message. kUnavailable when there is none, kClosed at the end, kBadMessage when magic, length or reserved
// fields are wrong; after that the peer is to be dropped.
Result<Packet> Receive(int socket_fd);

// The same for a process that may wait, a worker: Send while the socket is full, Receive while there is nothing. The
// other side (core or warden) never waits for a worker, so both end.
Status SendWaiting(int socket_fd, const Header& header, Bytes payload, Bytes tail = {});
Result<Packet> ReceiveWaiting(int socket_fd);
// Until the socket has something of poll(2)'s `events`, or is closed.
Status WaitForSocket(int socket_fd, short events);

// What this build is: all processes of one installation carry the same.
const uint8_t (&BuildId())[kBuildIdBytes];

}  // namespace reeve::wire
