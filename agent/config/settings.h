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
//   channels:
//     - {name: host, protocol: qga, transport: virtio-serial, path: /dev/virtio-ports/org.qemu.guest_agent.0, sync-timeout: 500ms}
//   uid-range: 78000-78255
//   log: {file: /var/log/reeve.log, verbose: false}

namespace reeve::config {

inline constexpr char kDefaultPort[] = "/dev/virtio-ports/org.qemu.guest_agent.0";
inline constexpr char kDefaultChannel[] = "default";

struct Settings {
  std::vector<Channel> channels;  // empty: the default virtio port
  uint32_t first_uid = 78000;
  uint32_t uid_count = 256;
  std::string log_file;
  bool is_verbose = false;
};

std::expected<Settings, policy::Diagnostics> ParseSettings(const std::string& file, const std::string& text);

// "CID:PORT", as vsock-listen takes it. -1 for the CID is any.
bool IsVsockAddress(const std::string& text);

}  // namespace reeve::config
