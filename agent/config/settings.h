#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "agent/config/config.h"
#include "policy/diagnostic.h"

// /etc/reeve/reeve.yaml: how the agent is reached and where it logs. Pure.
//
//   schema: 1
//   channels:                          served all at once; transport: virtio-serial, isa-serial, unix, vsock
//     - {name: host, protocol: qga, transport: virtio-serial, path: /dev/virtio-ports/org.qemu.guest_agent.0, sync-timeout: 500ms}
//   uid-range: 78000-78255
//   guest-info: {version: "8.2.0"}     what guest-info says to the host; default: Reeve's own
//   log: {file: /var/log/reeve.log, verbose: false}

namespace reeve::config {

inline constexpr char kDefaultPort[] = "/dev/virtio-ports/org.qemu.guest_agent.0";
inline constexpr char kDefaultTerminal[] = "/dev/ttyS0";
inline constexpr char kDefaultChannel[] = "default";
inline constexpr size_t kMaxSocketPathBytes = 107;  // sockaddr_un

struct Settings {
  std::vector<Channel> channels;  // empty: the default virtio port
  uint32_t first_uid = 78000;
  uint32_t uid_count = 256;
  std::string guest_info_version;  // empty: not given
  std::string log_file;
  bool is_verbose = false;
};

std::expected<Settings, policy::Diagnostics> ParseSettings(const std::string& file, const std::string& text);

// "CID:PORT", as vsock-listen takes it. -1 for the CID is any.
bool IsVsockAddress(const std::string& text);

}  // namespace reeve::config
