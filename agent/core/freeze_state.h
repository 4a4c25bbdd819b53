#pragma once

#include <cstdint>

#include "agent/config/config.h"
#include "base/clock.h"

namespace reeve::core {

// Whether file systems are frozen, as far as the core must know. The freezing plugin holds state exactly while
// something is frozen (its worker says kHold), and says so again to a new core. Not thread-safe.
class FreezeState {
 public:
  // Finds the plugin that may freeze, by its promise. Without one nothing is ever frozen.
  explicit FreezeState(const config::Config& config) {
    for (uint32_t i = 0; i < config.plugins.size(); ++i) {
      for (const policy::Promise promise : config.plugins[i].sandbox.promises) {
        if (promise == policy::Promise::kFreeze) freezer_ = i;
      }
    }
  }

  bool is_frozen() const { return is_frozen_; }
  bool IsFreezer(uint32_t plugin_index) const { return plugin_index == freezer_; }
  // Since when, as far as this core knows.
  RunningTime frozen_since() const { return frozen_since_; }
  // A worker said how much its plugin holds.
  void NoteHeld(uint32_t plugin_index, uint64_t held, RunningTime now) {
    if (!IsFreezer(plugin_index)) return;
    if (!is_frozen_) frozen_since_ = now;
    is_frozen_ = held > 0;
  }

 private:
  uint32_t freezer_ = UINT32_MAX;
  bool is_frozen_ = false;
  RunningTime frozen_since_{0};
};

}  // namespace reeve::core
