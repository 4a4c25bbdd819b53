#include "plugins/inventory/filesystem_reply.h"

#include <sys/sysmacros.h>

#include <algorithm>

#include "plugins/inventory/disk_reply.h"

namespace reeve::inventory {
namespace {

using namespace inventory_manifest;
using storage::BlockDevice;
using storage::FileSystem;

// Where a container sees a file system but not its device, qemu-ga tells the device's number.
std::string NameOf(const FileSystem& file_system, const BlockDevice* device) {
  if (device != nullptr) return device->name;
  if (file_system.device == 0) return storage::LastComponent(file_system.mount.source);
  return std::to_string(major(file_system.device)) + ":" + std::to_string(minor(file_system.device));
}

GuestFilesystemInfo InfoOf(const FileSystem& file_system, const storage::DiskMap& disks) {
  const BlockDevice* const device = disks.Find(file_system.device);
  GuestFilesystemInfo info;
  info.name = NameOf(file_system, device);
  info.mountpoint = file_system.mount.mountpoint;
  info.type = file_system.mount.type;
  if (device == nullptr) return info;
  for (const BlockDevice* disk : disks.Bottom(*device)) info.disk.push_back(DiskAddressOf(*disk));
  std::ranges::reverse(info.disk);
  return info;
}

}  // namespace

std::vector<GuestFilesystemInfo> FilesystemInfosOf(const storage::MountList& list, const storage::DiskMap& disks) {
  std::vector<GuestFilesystemInfo> infos;
  for (const FileSystem& file_system : list.file_systems) infos.push_back(InfoOf(file_system, disks));
  return infos;
}

void Complete(std::vector<GuestFilesystemInfo>& infos, const UsageReader::Usages& usages) {
  for (size_t i = 0; i < infos.size() && i < usages.size(); ++i) {
    if (!usages[i]) continue;
    infos[i].used_bytes = usages[i]->used_bytes;
    infos[i].total_bytes = usages[i]->total_bytes;
    infos[i].total_bytes_privileged = usages[i]->total_bytes_privileged;
  }
  std::ranges::reverse(infos);
}

}  // namespace reeve::inventory
