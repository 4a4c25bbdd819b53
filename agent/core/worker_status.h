#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

// What is told of a plugin's worker to whoever asks how the agent is (reevectl status). Plain values.

namespace reeve::core {

struct WorkerStatus {
  enum class State : uint8_t {
    kDisabled,  // by policy, or a manifest that cannot be used; `note` says why
    kStopped,   // not needed now
    kStarting,
    kServing,
    kStopping,
    kDelayed,      // crashed; may start again after a delay
    kQuarantined,  // crashed too often; `note` says why and how to release it
  };
  struct Crash {
    std::string text;             // "killed by signal 11"
    std::chrono::seconds ago{0};  // running time
  };
  std::string plugin;   // short name
  std::string version;  // of the plugin
  State state = State::kStopped;
  uint32_t pid = 0;        // 0: no process
  uint64_t held = 0;       // handles, records: what keeps it from idling out
  uint64_t in_flight = 0;  // requests
  uint64_t start_count = 0;
  uint64_t crash_count = 0;
  std::optional<Crash> last_crash;
  uint64_t refused_requests = 0;  // requests that are on the denylist because the worker crashed on them
  std::string note;
};

}  // namespace reeve::core
