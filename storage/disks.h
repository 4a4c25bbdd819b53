#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "storage/device_database.h"
#include "storage/disk_address.h"
#include "storage/mounts.h"
#include "storage/sysfs.h"

// Which disks and other block devices there are, and what stands on what.

namespace reeve::storage {

struct BlockDevice {
  std::string name;  // the kernel's: "vda1", "dm-0"
  std::string path;  // in sysfs: "/devices/pci0000:00/.../block/vda/vda1"
  dev_t device = 0;
  std::string node;  // "/dev/vda1"
  uint64_t size_bytes = 0;
  bool is_virtual = false;   // loop, dm, md: made of other things, or of none
  std::string partition_of;  // the disk's name; empty of what is no partition
  std::vector<std::string>
      below;           // the names of what dm, md and the like are made of ("slaves"), in the kernel's order
  std::string alias;   // the name of the volume, of what device-mapper made
  std::string serial;  // as guest-get-disks tells it; empty: none known
  // All under which a host may know the disk: `serial`, and the number alone without vendor and model.
  std::vector<std::string> serials;
  // Of what is not virtual; a partition has its disk's.
  std::optional<DiskAddress> address;
};

// As it was when it was read. Copyable.
class DiskMap {
 public:
  DiskMap() = default;
  static DiskMap Read(const Sysfs& sysfs, const DeviceDatabase& database);

  // In the kernel's order of /sys/block, each disk followed by its partitions. Those without a node are left out.
  const std::vector<BlockDevice>& devices() const { return devices_; }
  const BlockDevice* Find(dev_t device) const;
  const BlockDevice* Find(const std::string& name) const;

  // The devices that `device` is on in the end: itself when it is not virtual, else what lies below; a loop has none.
  // In the order in which they are met, one may be met twice.
  std::vector<const BlockDevice*> Bottom(const BlockDevice& device) const;

  // Those of `list` that lie, or whose volume lies in part, on the disk with that serial number (one of `serials`).
  std::vector<const FileSystem*> FileSystemsOn(const std::string& serial, const MountList& list) const;

 private:
  void AddBottom(const BlockDevice& device, size_t depth, std::vector<const BlockDevice*>& bottom) const;

  std::vector<BlockDevice> devices_;
};

// Far above any stack of volumes; a bound for a table that changed while it was read.
inline constexpr size_t kMaxStackDepth = 32;

}  // namespace reeve::storage
