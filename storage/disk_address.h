#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "storage/sysfs.h"

// Where a disk is plugged in, by the rules by which qemu-ga tells it: libvirt finds its own disk by these numbers.

namespace reeve::storage {

enum class BusType : uint8_t { kUnknown, kIde, kScsi, kVirtio, kUsb, kSata, kNvme };
const char* NameOf(BusType type);  // as in QEMU's schema: "virtio"

struct PciAddress {
  int64_t domain = -1;
  int64_t bus = -1;
  int64_t slot = -1;
  int64_t function = -1;
};
struct CcwAddress {
  int64_t cssid = 0;
  int64_t ssid = 0;
  int64_t subchannel = 0;
  int64_t device_number = 0;
};

struct DiskAddress {
  BusType bus_type = BusType::kUnknown;
  PciAddress controller;  // all -1 when it is none that we know, or not on PCI
  std::optional<CcwAddress> ccw;
  int64_t bus = 0;
  int64_t target = 0;
  int64_t unit = 0;
};

// `path` is that of a disk or a partition of it that is no virtual device. What cannot be told is left at its default.
DiskAddress AddressOf(const Sysfs& sysfs, const std::string& path);

}  // namespace reeve::storage
