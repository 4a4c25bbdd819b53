#include "agent/core/freeze_state.h"

#include <algorithm>
#include <utility>

namespace reeve::core {
namespace {

constexpr char kUnknownEnd[] = "the plugin did not say why";
// No timeout is longer; what is more would not fit a RunningTime.
constexpr uint64_t kLongestTimeMs = 1000ull * 86400 * 366 * 10;

std::string Printable(std::string_view text) {
  std::string plain(text);
  std::ranges::replace_if(plain, [](char c) { return c < 0x20 || c > 0x7e; }, '?');
  return plain;
}

}  // namespace

FreezeState::FreezeState(const config::Config& config) {
  for (uint32_t i = 0; i < config.plugins.size(); ++i) {
    for (const policy::Promise promise : config.plugins[i].sandbox.promises) {
      if (promise == policy::Promise::kFreeze) freezer_ = i;
    }
  }
}

std::optional<uint32_t> FreezeState::freezer() const {
  return freezer_ == kNone ? std::nullopt : std::optional(freezer_);
}

void FreezeState::NoteHeld(uint32_t plugin_index, uint64_t held, RunningTime now) {
  const bool is_frozen = held > 0;
  if (!IsFreezer(plugin_index) || is_frozen == is_frozen_) return;
  is_frozen_ = is_frozen;
  if (is_frozen) {
    frozen_since_ = now;
    why_.clear();
  } else {
    last_end_ = End{why_.empty() ? kUnknownEnd : std::exchange(why_, {}), now, now - frozen_since_};
  }
  if (on_change_) on_change_();
}

void FreezeState::NoteFreeze(uint32_t plugin_index, uint64_t time_left_ms, std::string_view why, RunningTime now) {
  if (!IsFreezer(plugin_index)) return;
  thaws_at_.reset();
  if (time_left_ms > 0) thaws_at_ = now + std::chrono::milliseconds(std::min(time_left_ms, kLongestTimeMs));
  if (!why.empty()) why_ = Printable(why);
}

}  // namespace reeve::core
