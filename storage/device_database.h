#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

// What udev knows of a block device beyond what the kernel says.

namespace reeve::storage {

struct DeviceFacts {
  std::string node = {};          // "/dev/vda1"
  std::string serial = {};        // ID_SERIAL: with vendor and model where the bus has them
  std::string short_serial = {};  // ID_SERIAL_SHORT, ID_SCSI_SERIAL: the disk's own, as the host set it
  std::string scsi_serial = {};
  std::string mapper_name = {};  // DM_NAME
  bool operator==(const DeviceFacts&) const = default;
};

class DeviceDatabase {
 public:
  virtual ~DeviceDatabase() = default;
  // Nothing when there is no such device. Members that udev does not know, or all where no udev runs, are empty.
  virtual std::optional<DeviceFacts> Find(dev_t device) const = 0;
};

// The machine's own, by libudev. One thread at a time.
class UdevDatabase : public DeviceDatabase {
 public:
  std::optional<DeviceFacts> Find(dev_t device) const override;
};

}  // namespace reeve::storage
