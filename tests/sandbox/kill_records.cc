#include "tests/sandbox/kill_records.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>

#include <chrono>
#include <cstdlib>
#include <string>
#include <string_view>

namespace reeve {
namespace {

using std::chrono::steady_clock;
constexpr std::chrono::seconds kPatience{2};
constexpr int kMaxRecordBytes = 9000;

UniqueFd ListenToAudit() {
  UniqueFd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_AUDIT));
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = 1u << (AUDIT_NLGRP_READLOG - 1);
  if (!socket || ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) return {};
  return socket;
}

UniqueFd ListenToKernelLog() {
  UniqueFd log(::open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (log) ::lseek(log.get(), 0, SEEK_END);
  return log;
}

std::string_view ValueOf(std::string_view text, std::string_view key) {
  const size_t at = text.find(key);
  return at == std::string_view::npos ? std::string_view() : text.substr(at + key.size());
}

}  // namespace

KillRecords::KillRecords() : audit_(ListenToAudit()) {
  if (!audit_) kernel_log_ = ListenToKernelLog();
}

void KillRecords::Take() {
  char bytes[kMaxRecordBytes];
  const int fd = audit_ ? audit_.get() : kernel_log_.get();
  for (;;) {
    const ssize_t got = audit_ ? ::recv(fd, bytes, sizeof bytes, 0) : ::read(fd, bytes, sizeof bytes);
    if (got <= 0) return;
    // A netlink message carries the kind in its header, the kernel log in its text.
    const bool is_audit = audit_ && got > static_cast<ssize_t>(sizeof(nlmsghdr));
    const std::string text(bytes + (is_audit ? sizeof(nlmsghdr) : 0), bytes + got);
    if (!is_audit && text.find("type=1326") == std::string::npos) continue;
    const std::string pid(ValueOf(text, " pid="));
    const std::string number(ValueOf(text, " syscall="));
    const std::string architecture(ValueOf(text, " arch="));
    if (pid.empty() || number.empty() || architecture.empty()) continue;
    found_[std::atoi(pid.c_str())] = {std::atoll(number.c_str()),
                                      static_cast<uint32_t>(std::strtoul(architecture.c_str(), nullptr, 16))};
  }
}

std::optional<KillRecord> KillRecords::Find(pid_t pid) {
  const auto deadline = steady_clock::now() + kPatience;
  for (;;) {
    Take();
    if (const auto record = found_.find(pid); record != found_.end()) return record->second;
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - steady_clock::now());
    if (left.count() <= 0 || !is_listening()) return std::nullopt;
    pollfd wait{audit_ ? audit_.get() : kernel_log_.get(), POLLIN, 0};
    ::poll(&wait, 1, static_cast<int>(left.count()));
  }
}

}  // namespace reeve
