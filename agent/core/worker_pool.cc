#include "agent/core/worker_pool.h"

#include <algorithm>

namespace reeve::core {

WorkerPool::WorkerPool(EventLoop& loop, WorkerRequests& warden, FreezeState& freeze, const config::Config& config,
                       uint64_t last_id)
    : context_{loop,
               warden,
               freeze,
               config.generation,
               MemoryBudget(config.core.limits.data_bytes),
               config.policy.restart},
      last_id_(last_id) {
  for (uint32_t i = 0; i < config.plugins.size(); ++i)
    slots_.push_back(i == kOwnPlugin ? nullptr : std::make_unique<WorkerSlot>(context_, i, config.plugins[i]));
}

void WorkerPool::Call(WorkerCall call) {
  WorkerSlot* slot = Slot(call.command->plugin_index);
  slot->Call(++last_id_, std::move(call));
}

void WorkerPool::Abandon(const CallOrigin& origin) {
  for (const auto& slot : slots_) {
    if (slot != nullptr) slot->Abandon(origin);
  }
}

void WorkerPool::OnWorkerStarted(const wire::WorkerStarted& started, std::vector<UniqueFd> fds) {
  WorkerSlot* slot = Slot(started.plugin);
  if (slot == nullptr || fds.size() != 3) return;
  slot->OnStarted(started, {std::move(fds[0]), std::move(fds[1]), std::move(fds[2])});
}

void WorkerPool::OnWorkerEnded(const wire::WorkerEnded& ended, std::string_view why) {
  if (WorkerSlot* slot = Slot(ended.plugin)) slot->OnEnded(ended, why);
}

void WorkerPool::OnRoom() {
  for (const auto& slot : slots_) {
    if (slot != nullptr) slot->Pump();
  }
}

void WorkerPool::OnServe() {
  for (const auto& slot : slots_) {
    if (slot != nullptr) slot->StartIfNeeded();
  }
}

std::vector<WorkerStatus> WorkerPool::Status() const {
  std::vector<WorkerStatus> all;
  for (const auto& slot : slots_) {
    if (slot != nullptr) all.push_back(slot->status());
  }
  return all;
}

bool WorkerPool::is_idle() const {
  return std::ranges::all_of(slots_, [](const auto& slot) { return slot == nullptr || slot->is_idle(); });
}

}  // namespace reeve::core
