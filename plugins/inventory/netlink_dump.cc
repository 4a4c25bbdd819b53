#include "plugins/inventory/netlink_dump.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cstring>

namespace reeve::inventory {
namespace {

// The kernel fills at most 32 KiB at once.
constexpr size_t kDatagramBytes = 64 << 10;
constexpr int kMostAttempts = 4;

size_t Aligned(size_t bytes) {
  return (bytes + NLMSG_ALIGNTO - 1) & ~size_t{NLMSG_ALIGNTO - 1};
}

Status Ask(int fd, uint16_t type, uint32_t sequence) {
  struct {
    nlmsghdr header;
    rtgenmsg family;
  } request{};
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = type;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request.header.nlmsg_seq = sequence;
  request.family.rtgen_family = AF_UNSPEC;
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  if (::sendto(fd, &request, sizeof request, 0, reinterpret_cast<const sockaddr*>(&kernel), sizeof kernel) < 0) {
    return FailErrno("ask the kernel for its interfaces");
  }
  return {};
}

// One datagram of the kernel's; what others sent is skipped.
Result<Bytes> Receive(int fd, std::span<uint8_t> into) {
  for (;;) {
    sockaddr_nl sender{};
    socklen_t sender_bytes = sizeof sender;
    const ssize_t count = ::recvfrom(fd, into.data(), into.size(), MSG_DONTWAIT | MSG_TRUNC,
                                     reinterpret_cast<sockaddr*>(&sender), &sender_bytes);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return FailErrno("read the kernel's interfaces");
    if (sender.nl_pid != 0) continue;
    if (static_cast<size_t>(count) > into.size()) return Fail(Code::kTooLarge, "an answer of the kernel is too long");
    return Bytes(into).first(static_cast<size_t>(count));
  }
}

enum class DumpState : uint8_t { kMore, kWhole, kChangedMeanwhile };

Status ErrorIn(const NetlinkMessage& message) {
  int error = 0;
  if (message.payload.size() >= sizeof error) std::memcpy(&error, message.payload.data(), sizeof error);
  errno = -error;
  return FailErrno("read the kernel's interfaces");
}

// Adds the messages of the answer to `sequence`; what is left of an earlier, abandoned one is skipped.
Result<DumpState> Take(Bytes datagram, uint32_t sequence, std::vector<uint8_t>& dump) {
  bool has_changed = false;
  for (const NetlinkMessage& message : MessagesIn(datagram)) {
    if (message.header.nlmsg_seq != sequence) continue;
    if (message.header.nlmsg_type == NLMSG_ERROR) return Fail(ErrorIn(message).error());
    has_changed = has_changed || (message.header.nlmsg_flags & NLM_F_DUMP_INTR) != 0;
    if (message.header.nlmsg_type == NLMSG_DONE) return has_changed ? DumpState::kChangedMeanwhile : DumpState::kWhole;
    if (dump.size() + message.header.nlmsg_len > kMaxDumpBytes) return Fail(Code::kTooLarge, "too many interfaces");
    const Bytes header = BytesOf(message.header);
    dump.insert(dump.end(), header.begin(), header.end());
    dump.insert(dump.end(), message.payload.begin(), message.payload.end());
    dump.resize(Aligned(dump.size()));
  }
  return has_changed ? DumpState::kChangedMeanwhile : DumpState::kMore;
}

Result<DumpState> DumpOnce(int fd, uint16_t type, uint32_t sequence, std::vector<uint8_t>& dump) {
  std::vector<uint8_t> datagram(kDatagramBytes);
  REEVE_TRY(Ask(fd, type, sequence));
  for (;;) {
    const Bytes received = REEVE_TRY(Receive(fd, datagram));
    const DumpState state = REEVE_TRY(Take(received, sequence, dump));
    if (state != DumpState::kMore) return state;
  }
}

}  // namespace

std::vector<NetlinkMessage> MessagesIn(Bytes bytes) {
  std::vector<NetlinkMessage> messages;
  while (bytes.size() >= sizeof(nlmsghdr)) {
    NetlinkMessage message;
    std::memcpy(&message.header, bytes.data(), sizeof message.header);
    const size_t whole = message.header.nlmsg_len;
    if (whole < sizeof(nlmsghdr) || whole > bytes.size()) break;
    message.payload = bytes.subspan(sizeof(nlmsghdr), whole - sizeof(nlmsghdr));
    messages.push_back(message);
    bytes = bytes.subspan(std::min(Aligned(whole), bytes.size()));
  }
  return messages;
}

std::vector<NetlinkAttribute> AttributesIn(Bytes payload, size_t fixed_bytes) {
  std::vector<NetlinkAttribute> attributes;
  Bytes rest = payload.subspan(std::min(Aligned(fixed_bytes), payload.size()));
  while (rest.size() >= sizeof(rtattr)) {
    rtattr header;
    std::memcpy(&header, rest.data(), sizeof header);
    if (header.rta_len < sizeof header || header.rta_len > rest.size()) break;
    const uint16_t type = header.rta_type & NLA_TYPE_MASK;
    attributes.push_back({type, rest.subspan(sizeof header, header.rta_len - sizeof header)});
    rest = rest.subspan(std::min(Aligned(header.rta_len), rest.size()));
  }
  return attributes;
}

std::string_view TextOf(Bytes value) {
  const std::string_view text = AsText(value);
  return text.substr(0, text.find('\0'));
}

Result<std::vector<uint8_t>> NetlinkTables::Dump(uint16_t request_type) {
  for (int attempt = 1;; ++attempt) {
    std::vector<uint8_t> dump;
    const DumpState state = REEVE_TRY(DumpOnce(fd_, request_type, ++sequence_, dump));
    if (state == DumpState::kWhole) return dump;
    if (attempt == kMostAttempts) return Fail(Code::kUnavailable, "interfaces change all the time");
  }
}

}  // namespace reeve::inventory
