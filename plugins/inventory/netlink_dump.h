#pragma once

#include <linux/netlink.h>

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

// The kernel's tables over a NETLINK_ROUTE socket, and the framing of netlink(7).

namespace reeve::inventory {

struct NetlinkMessage {
  nlmsghdr header = {};
  Bytes payload;
};
// The messages of one datagram, or of several behind each other; a cut one and what follows it are left out.
std::vector<NetlinkMessage> MessagesIn(Bytes bytes);

struct NetlinkAttribute {
  uint16_t type = 0;
  Bytes value;
};
// The attributes behind a message's fixed part of `fixed_bytes`.
std::vector<NetlinkAttribute> AttributesIn(Bytes payload, size_t fixed_bytes);
// Of a text attribute what stands before its zero.
std::string_view TextOf(Bytes value);

// The one user of a socket, which is lent.
class NetlinkTables {
 public:
  explicit NetlinkTables(int socket_fd) : fd_(socket_fd) {}
  // The messages of a whole table (RTM_GETLINK, RTM_GETADDR) as they came. The kernel answers from memory, so this does
  // not wait. Asked again when the table changed meanwhile, a few times.
  Result<std::vector<uint8_t>> Dump(uint16_t request_type);

 private:
  int fd_;
  uint32_t sequence_ = 0;
};

// 10,000 interfaces need a tenth of this.
inline constexpr size_t kMaxDumpBytes = 32 << 20;

}  // namespace reeve::inventory
