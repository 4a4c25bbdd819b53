#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "agent/config/config.h"
#include "base/clock.h"

namespace reeve::core {

// Whether file systems are frozen, as far as the core must know. The freezing plugin holds state exactly while
// something is frozen (its worker says kHold), and says so again to a new core. A worker that ends says nothing: what it
// froze is frozen until the next one has spoken. Not thread-safe.
class FreezeState {
 public:
  // How the last freeze ended.
  struct End {
    std::string why;
    RunningTime at{0};
    RunningTime lasted{0};  // as far as this core knows
  };

  // Finds the plugin that may freeze, by its promise. Without one nothing is ever frozen.
  explicit FreezeState(const config::Config& config);

  bool is_frozen() const { return is_frozen_; }
  bool IsFreezer(uint32_t plugin_index) const { return plugin_index == freezer_; }
  std::optional<uint32_t> freezer() const;
  // Since when, as far as this core knows.
  RunningTime frozen_since() const { return frozen_since_; }
  // When the plugin thaws by itself; none: it does not, or nothing is frozen.
  std::optional<RunningTime> thaws_at() const { return is_frozen_ ? thaws_at_ : std::nullopt; }
  const std::optional<End>& last_end() const { return last_end_; }

  // Called after each change between frozen and not.
  void OnChange(std::function<void()> on_change) { on_change_ = std::move(on_change); }

  // A worker said how much its plugin holds; or the warden did, of the freezing plugin.
  void NoteHeld(uint32_t plugin_index, uint64_t held, RunningTime now);
  // kFreezeNote. `why` is the plugin's text; of it only printable ASCII is kept.
  void NoteFreeze(uint32_t plugin_index, uint64_t time_left_ms, std::string_view why, RunningTime now);

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  uint32_t freezer_ = kNone;
  bool is_frozen_ = false;
  RunningTime frozen_since_{0};
  std::optional<RunningTime> thaws_at_;
  std::string why_;  // of the end that comes
  std::optional<End> last_end_;
  std::function<void()> on_change_;
};

}  // namespace reeve::core
