#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "storage/disks.h"

namespace reeve::storage {

// The disk map as it is now, read anew only when a device has come, gone or changed. Not thread-safe.
class DiskTable {
 public:
  // `database` is lent. `udev_queue` is the file that is there while udev works on what the kernel told it.
  DiskTable(Sysfs sysfs, const DeviceDatabase& database, std::string udev_queue = "/run/udev/queue");

  // `now_ms` is running time. Good until the next call.
  const DiskMap& Current(uint64_t now_ms);
  // Grows whenever Current has read the devices anew.
  uint64_t generation() const { return generation_; }

  // What udev adds to a device comes later than the device. A map counts as complete when it was read that long after the
  // kernel's last event was seen, and with udev at rest.
  static constexpr uint64_t kSettleMs = 1000;

 private:
  bool IsSettled(uint64_t now_ms) const;

  Sysfs sysfs_;
  const DeviceDatabase& database_;
  std::string udev_queue_;
  std::optional<std::string> event_number_;  // the kernel's count of all device events; nothing: not read, or not there
  uint64_t event_seen_ms_ = 0;
  bool is_complete_ = false;
  uint64_t generation_ = 0;
  DiskMap map_;
};

}  // namespace reeve::storage
