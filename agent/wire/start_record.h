#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

// How the warden hands a process its work, beside the numbers of agent/sandbox/confine_child.h (control socket 3, rings 4
// and 5, start record or configuration 6, inherited descriptors from 10, further ones from 64).

namespace reeve::wire {

// The core: descriptor 6 is the sealed blob of the compiled configuration, and the listening sockets stand here, one for each
// channel that listens (unix-listen, vsock-listen, activated), in the order of Config::channels.
// The core confines itself, then says kHello; the warden checks it from outside and answers kServe; only then is a byte
// of a host read.
inline constexpr int kFirstListenerFd = 64;
// A worker: its socket to the core.
inline constexpr int kCoreSocketFd = 64;

// What a worker needs to know, as a sealed memory file at descriptor 6. The worker is given no configuration: a plugin sees
// neither policy nor other plugins. Order: kHello and kConfined after the load sandbox stands, kLoad from the warden, kReady after the
// run sandbox stands, kServe from the warden.
struct StartRecord {
  std::string name;  // the plugin's short name
  std::string id;    // as its descriptor must say
  std::string version;
  uint32_t abi_major = 0;
  uint32_t abi_min_minor = 0;
  uint32_t worker = 0;  // the warden's number of this worker
  uint64_t generation = 0;
  uint64_t handle_base = 0;  // first number of the reserved block, 0: none was asked for
  uint64_t handle_count = 0;
  std::string plugin_path;    // what to load
  std::string settings_json;  // for configure()
  bool locks_memory = false;
  bool freezes = false;  // the freezing plugin: it outlives cores, and ends at once
  std::vector<uint8_t> load_filter;
  std::vector<uint8_t> run_filter;
  std::vector<std::string> commands;         // the manifest's, in its order
  std::vector<std::string> inherited_names;  // names[i] stands at descriptor 10 + i
};

// No larger record is written or read.
inline constexpr size_t kMaxStartRecordBytes = 4u << 20;

Result<std::vector<uint8_t>> Encode(const StartRecord& record);
// Every length is checked against what is there. Fails with kBadMessage.
Result<StartRecord> DecodeStartRecord(Bytes bytes);

}  // namespace reeve::wire
