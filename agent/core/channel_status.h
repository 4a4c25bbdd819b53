#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace reeve::core {

// What is told of a channel to whoever asks how the agent is. Plain values.
struct ChannelStatus {
  enum class State : uint8_t {
    kListening,
    kFull,     // as many clients as may be; the next ones wait
    kOpen,     // the device is open
    kWaiting,  // for its device
    kFailed,   // its device, or listening; `why` says how. It is tried again
    kStopped,
  };
  uint32_t channel = 0;  // into Config::channels
  State state = State::kStopped;
  size_t client_count = 0;  // of a device: 1 while it is open
  std::string why = {};
};

}  // namespace reeve::core
