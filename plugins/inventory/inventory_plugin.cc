#include "plugins/inventory/inventory_plugin.h"

namespace reeve::inventory {
namespace {

using namespace inventory_manifest;

template <typename T>
void Answer(plugin::Reply& reply, const Result<T>& value) {
  if (value) return reply.ReturnValue(*value);
  reply.Fail(REEVE_ERROR_FAILED, value.error().message());
}

}  // namespace

void InventoryPlugin::GetOsinfo(const Request&, const GuestGetOsinfo&, Reply& reply) {
  reply.ReturnValue(OsInfoOf(os_release_.Read()));
}

void InventoryPlugin::GetHostName(const Request&, const GuestGetHostName&, Reply& reply) {
  Answer(reply, HostName());
}

}  // namespace reeve::inventory
