#include "plugins/fsfreeze/mount_source.h"

#include <algorithm>

#include "storage/disks.h"

namespace reeve::fsfreeze {

namespace {

// What nobody expects to be frozen is not worth a line in a report.
bool IsWorthNaming(storage::LeftOut reason) {
  return reason != storage::LeftOut::kPseudo;
}

bool IsAnyOf(const std::string& serial, const storage::DiskMap& disks) {
  return std::ranges::any_of(disks.devices(), [&](const storage::BlockDevice& device) {
    return std::ranges::find(device.serials, serial) != device.serials.end();
  });
}

}  // namespace

Result<Listing> KernelMountSource::List() {
  const storage::MountList* const mounts = REEVE_TRY(table_.Fresh());
  Listing listing{.targets = InThawOrder(*mounts, BackingFilesInSysfs), .left_out = {}};
  for (const storage::LeftOutMount& each : mounts->left_out) {
    if (IsWorthNaming(each.reason))
      listing.left_out.push_back({each.mount.mountpoint, each.mount.type, NameOf(each.reason)});
  }
  return listing;
}

Result<std::vector<Target>> KernelMountSource::OnDisks(const std::vector<std::string>& serials) {
  const storage::MountList* const mounts = REEVE_TRY(table_.Fresh());
  const storage::DiskMap disks = storage::DiskMap::Read(storage::Sysfs(), storage::UdevDatabase());
  std::vector<std::string> chosen;
  for (const std::string& serial : serials) {
    if (!IsAnyOf(serial, disks)) return Fail(Code::kNotFound, "no disk has the serial number '" + serial + "'");
    for (const storage::FileSystem* each : disks.FileSystemsOn(serial, *mounts))
      chosen.push_back(each->mount.mountpoint);
  }
  std::vector<Target> targets = InThawOrder(*mounts, BackingFilesInSysfs);
  std::erase_if(targets,
                [&](const Target& target) { return std::ranges::find(chosen, target.mountpoint) == chosen.end(); });
  return targets;
}

}  // namespace reeve::fsfreeze
