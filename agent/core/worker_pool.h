#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "agent/core/worker_slot.h"

namespace reeve::core {

// All workers: one slot a plugin. Not thread-safe.
class WorkerPool final : public WorkerCalls {
 public:
  // All are lent for the life of this. Requests are numbered from behind `last_id`, and none of an earlier core's may come
  // behind that: a worker may outlive its core.
  WorkerPool(EventLoop& loop, WorkerRequests& warden, FreezeState& freeze, const config::Config& config,
             uint64_t last_id);
  void Call(WorkerCall call) override;
  void Abandon(const CallOrigin& origin) override;

  // From the warden. A number that is none of ours is ignored: the warden is trusted, and a worker may end meanwhile.
  void OnWorkerStarted(const wire::WorkerStarted& started, std::vector<UniqueFd> fds);
  void OnWorkerEnded(const wire::WorkerEnded& ended, std::string_view why);
  void OnRoom();
  // The warden serves: what has to run although nobody asks for it is started.
  void OnServe();

  // One a plugin, those switched off among them, in the order of the configuration.
  std::vector<WorkerStatus> Status() const;
  // No call is under way.
  bool is_idle() const;

 private:
  WorkerSlot* Slot(uint32_t plugin) const { return plugin < slots_.size() ? slots_[plugin].get() : nullptr; }

  SlotContext context_;
  std::vector<std::unique_ptr<WorkerSlot>> slots_;  // by plugin; the core's own has none
  uint64_t last_id_;
};

}  // namespace reeve::core
