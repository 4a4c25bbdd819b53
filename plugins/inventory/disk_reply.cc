#include "plugins/inventory/disk_reply.h"

#include <algorithm>

namespace reeve::inventory {
namespace {

using namespace inventory_manifest;
using storage::BlockDevice;
using storage::DiskMap;

std::optional<std::string> Known(const std::string& text) {
  return text.empty() ? std::nullopt : std::optional(text);
}

GuestDiskBusType BusTypeOf(storage::BusType type) {
  switch (type) {
    case storage::BusType::kIde:
      return GuestDiskBusType::kIde;
    case storage::BusType::kScsi:
      return GuestDiskBusType::kScsi;
    case storage::BusType::kVirtio:
      return GuestDiskBusType::kVirtio;
    case storage::BusType::kUsb:
      return GuestDiskBusType::kUsb;
    case storage::BusType::kSata:
      return GuestDiskBusType::kSata;
    case storage::BusType::kNvme:
      return GuestDiskBusType::kNvme;
    case storage::BusType::kUnknown:
      break;
  }
  return GuestDiskBusType::kUnknown;
}

std::vector<std::string> DependenciesOf(const DiskMap& disks, const BlockDevice& device) {
  std::vector<std::string> nodes;
  const auto add = [&](const std::string& name) {
    const BlockDevice* const below = disks.Find(name);
    if (below != nullptr) nodes.push_back(below->node);
  };
  if (!device.partition_of.empty()) add(device.partition_of);
  for (const std::string& name : device.below) add(name);
  std::ranges::reverse(nodes);
  return nodes;
}

GuestDiskInfo DiskInfoOf(const DiskMap& disks, const BlockDevice& device) {
  GuestDiskInfo info;
  info.name = device.node;
  info.dependencies = DependenciesOf(disks, device);
  info.partition = !device.partition_of.empty();
  if (device.address && !info.partition) info.address = DiskAddressOf(device);
  info.alias = Known(device.alias);
  return info;
}

// A drive without a medium, a loop without a file; what is not there has no partitions either.
bool HasSize(const DiskMap& disks, const BlockDevice& device) {
  const BlockDevice* const disk = device.partition_of.empty() ? &device : disks.Find(device.partition_of);
  return disk != nullptr && disk->size_bytes > 0;
}

}  // namespace

GuestDiskAddress DiskAddressOf(const BlockDevice& device) {
  const storage::DiskAddress place = device.address.value_or(storage::DiskAddress());
  GuestDiskAddress address;
  if (place.ccw) {
    address.ccw_address =
        GuestCCWAddress{place.ccw->cssid, place.ccw->ssid, place.ccw->subchannel, place.ccw->device_number};
  }
  address.serial = Known(device.serial);
  address.bus_type = BusTypeOf(place.bus_type);
  address.bus = place.bus;
  address.unit = place.unit;
  address.pci_controller = {place.controller.bus, place.controller.slot, place.controller.domain,
                            place.controller.function};
  address.dev = device.node;
  address.target = place.target;
  return address;
}

std::vector<GuestDiskInfo> DiskInfosOf(const DiskMap& disks) {
  std::vector<GuestDiskInfo> infos;
  for (const BlockDevice& device : disks.devices()) {
    if (HasSize(disks, device)) infos.push_back(DiskInfoOf(disks, device));
  }
  std::ranges::reverse(infos);
  return infos;
}

}  // namespace reeve::inventory
