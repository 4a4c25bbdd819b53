#pragma once

#include <string>
#include <vector>

#include "agent/config/config.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace reeve::start {

// The listening sockets of all channels that listen, in the order of `channels`, close-on-exec. They are made once, at
// start, and outlive each core. Sockets from the service manager were at 3 and up, `activated_count` of them, and go to the
// `activated` channels in their order. Fails naming the channel's path. Before serving: it may sleep on the file system.
Result<std::vector<UniqueFd>> MakeListeners(const std::vector<config::Channel>& channels, int activated_count);

// How many sockets the service manager passed to this process (sd_listen_fds(3)); takes the variables out of the
// environment and makes the descriptors close-on-exec. First thing in main: the numbers are not to be taken by others.
int TakeActivatedCount();

// The transport of the one socket from the service manager, as -m takes it; empty when there is none. Fails when there are
// more, or it is of another kind.
Result<std::string> ActivatedMethod(int activated_count);

// "cid:port" of a vsock channel; cid -1 or empty is any. Pure.
struct VsockAddress {
  uint32_t cid = 0;
  uint32_t port = 0;
};
Result<VsockAddress> ParseVsockAddress(const std::string& text);

}  // namespace reeve::start
