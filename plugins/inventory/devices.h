#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "inventory_commands.hpp"

namespace reeve::inventory {

inline constexpr const char* kPciDirectory = "/sys/bus/pci/devices";

// The PCI devices that have a driver, by address. Of a virtio device the driver is the one behind the transport
// (virtio_net, not virtio-pci). `kernel_release` is the version of a driver that tells none of its own.
std::vector<inventory_manifest::GuestDeviceInfo> DevicesIn(const std::string& directory,
                                                           const std::string& kernel_release);

}  // namespace reeve::inventory
