#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "agent/config/config.h"
#include "agent/warden/request_children.h"
#include "agent/warden/worker.h"
#include "base/event_loop.h"
#include "base/result.h"

namespace reeve::warden {

// The warden's part in a freeze (ADR 0015). What is frozen has one keeper, the worker of the plugin with the promise `freeze`: it
// outlives the core, and has its time to thaw when the service stops. As long as it holds something this process keeps its
// log lines in memory, and looks whether the keeper was killed and cannot end: the kernel may hold it up by what it froze
// itself. Then that is thawed for it, in a child. Not thread-safe; lives on its loop.
class Freezer {
 public:
  using Workers = std::map<uint32_t, std::unique_ptr<Worker>>;
  // Runs in a child: thaws for a keeper that was killed.
  using Thaw = std::function<Status()>;

  // How often it is looked, while something is frozen, whether the keeper was killed and does not end.
  static constexpr std::chrono::milliseconds kLook{250};

  // All but `thaw` are lent for the life of this.
  Freezer(EventLoop& loop, Reaper& reaper, const config::Config& config, const Workers& workers, Thaw thaw);
  Freezer(const Freezer&) = delete;
  Freezer& operator=(const Freezer&) = delete;
  // Lets the log go.
  ~Freezer();

  // Whether it is a worker of the freezing plugin.
  bool IsOne(const Worker& worker) const { return worker.plugin == plugin_; }
  // The worker that serves and could thaw; nullptr: there is none.
  Worker* Keeper() const;
  // How much was held when one of them last said so. A worker that ends says nothing: all stays frozen until the next one has
  // spoken.
  uint64_t held() const { return held_; }
  bool is_frozen() const { return held_ > 0; }
  // A child thaws for a keeper that was killed.
  bool is_thawing() const { return thawers_.running() > 0; }

  // Thaws for the keeper, in a child, which was killed because it did not. Nothing when a child is at it already.
  void ThawForKeeper(const std::string& why);

  // A worker said how much its plugin holds. Fails when that is none of the warden's business.
  Status NoteHeld(const Worker& worker, uint64_t held);
  // It wants to know when nothing is written any more, which is so at once: nothing of this process waits anywhere else. Fails
  // when it holds nothing, or may not ask.
  Status CheckMayQuiesce(const Worker& worker) const;

 private:
  void Look();
  bool IsStuck(const Worker& worker) const;

  EventLoop& loop_;
  const Workers& workers_;
  const Thaw thaw_;
  std::optional<uint32_t> plugin_;
  RequestChildren thawers_;
  uint64_t held_ = 0;
  EventLoop::TimerId look_timer_ = 0;
  uint32_t stuck_ = 0;  // which worker was, at the last look; 0: none
};

}  // namespace reeve::warden
