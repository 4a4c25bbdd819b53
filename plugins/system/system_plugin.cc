#include "plugins/system/system_plugin.h"

namespace reeve::system {

Pending SystemPlugin::Take(const Request& request, Reply& reply) {
  std::erase_if(pending_, [](const auto& entry) { return entry.second.expired(); });
  const auto pending = std::make_shared<PendingRequest>(request, reply, agent().NowMs());
  pending_[request.id] = pending;
  return pending;
}

// What was begun goes on, since half of it is worse; only the host does not learn how it ended.
void SystemPlugin::Cancelled(uint64_t request_id) {
  const auto found = pending_.find(request_id);
  const Pending pending = found == pending_.end() ? nullptr : found->second.lock();
  if (pending == nullptr || !pending->is_open()) return;
  pending->Fail(REEVE_ERROR_CANCELLED, "it did not end in time, and may still happen");
}

void SystemPlugin::Shutdown(const Request& request, const system_manifest::GuestShutdown& arguments, Reply& reply) {
  power_.Shutdown(Take(request, reply), arguments.mode);
}

void SystemPlugin::SuspendDisk(const Request& request, const system_manifest::GuestSuspendDisk& /*arguments*/,
                               Reply& reply) {
  suspend_.Begin(Take(request, reply), SuspendMode::kDisk);
}

void SystemPlugin::SuspendRam(const Request& request, const system_manifest::GuestSuspendRam& /*arguments*/,
                              Reply& reply) {
  suspend_.Begin(Take(request, reply), SuspendMode::kRam);
}

void SystemPlugin::SuspendHybrid(const Request& request, const system_manifest::GuestSuspendHybrid& /*arguments*/,
                                 Reply& reply) {
  suspend_.Begin(Take(request, reply), SuspendMode::kHybrid);
}

void SystemPlugin::SetTime(const Request& request, const system_manifest::GuestSetTime& arguments, Reply& reply) {
  time_.Set(Take(request, reply), arguments.time);
}

void SystemPlugin::SetVcpus(const Request& request, const system_manifest::GuestSetVcpus& arguments, Reply& reply) {
  processors_.Set(Take(request, reply), arguments.vcpus);
}

void SystemPlugin::SetMemoryBlocks(const Request& request, const system_manifest::GuestSetMemoryBlocks& arguments,
                                   Reply& reply) {
  memory_blocks_.Set(Take(request, reply), arguments.mem_blks);
}

}  // namespace reeve::system
