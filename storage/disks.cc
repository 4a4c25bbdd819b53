#include "storage/disks.h"

#include <sys/sysmacros.h>

#include <algorithm>
#include <charconv>
#include <cstdio>

namespace reeve::storage {
namespace {

constexpr uint64_t kSectorBytes = 512;  // the unit of sysfs's `size`, whatever the disk's own is

std::optional<dev_t> ReadDeviceNumber(const Sysfs& sysfs, const std::string& path) {
  unsigned major_number = 0;
  unsigned minor_number = 0;
  const std::string text = sysfs.Read(path + "/dev").value_or(std::string());
  if (std::sscanf(text.c_str(), "%u:%u", &major_number, &minor_number) != 2) return {};
  return makedev(major_number, minor_number);
}

uint64_t ReadSize(const Sysfs& sysfs, const std::string& path) {
  const std::string text = sysfs.Read(path + "/size").value_or(std::string());
  uint64_t sectors = 0;
  std::from_chars(text.data(), text.data() + text.size(), sectors);
  return sectors * kSectorBytes;
}

std::string Trimmed(const std::string& text) {
  const size_t begin = text.find_first_not_of(' ');
  return begin == std::string::npos ? std::string() : text.substr(begin, text.find_last_not_of(' ') - begin + 1);
}

// The kernel writes the slash of a name like cciss/c0d0 as an exclamation mark.
std::string NodeOfName(std::string name) {
  std::ranges::replace(name, '!', '/');
  return "/dev/" + name;
}

// Where no udev runs, a virtio disk says its serial number itself.
std::string SerialOfKernel(const Sysfs& sysfs, const std::string& disk_path) {
  return Trimmed(sysfs.Read(disk_path + "/serial").value_or(std::string()));
}

void AddSerial(const std::string& serial, BlockDevice& device) {
  const bool is_new = std::ranges::find(device.serials, serial) == device.serials.end();
  if (!serial.empty() && is_new) device.serials.push_back(serial);
}

void FillSerials(const DeviceFacts& facts, const std::string& of_kernel, BlockDevice& device) {
  device.serial = facts.serial.empty() ? of_kernel : facts.serial;
  for (const std::string& serial : {device.serial, facts.short_serial, facts.scsi_serial, of_kernel}) {
    AddSerial(serial, device);
  }
}

std::optional<BlockDevice> ReadDevice(const Sysfs& sysfs, const DeviceDatabase& database, const std::string& path,
                                      const std::string& disk_path) {
  const auto number = ReadDeviceNumber(sysfs, path);
  if (!number) return {};
  const DeviceFacts facts = database.Find(*number).value_or(DeviceFacts());
  BlockDevice device;
  device.name = LastComponent(path);
  device.path = path;
  device.device = *number;
  device.node = facts.node.empty() ? NodeOfName(device.name) : facts.node;
  device.size_bytes = ReadSize(sysfs, path);
  device.is_virtual = path.starts_with("/devices/virtual/block/");
  FillSerials(facts, SerialOfKernel(sysfs, disk_path), device);
  device.alias = facts.mapper_name.empty() ? sysfs.Read(path + "/dm/name").value_or(std::string()) : facts.mapper_name;
  if (!device.is_virtual) device.address = AddressOf(sysfs, path);
  return device;
}

std::vector<std::string> NamesBelow(const Sysfs& sysfs, const std::string& path) {
  std::vector<std::string> names;
  for (const Sysfs::Entry& entry : sysfs.List(path + "/slaves")) {
    if (entry.is_link) names.push_back(entry.name);
  }
  return names;
}

void ReadDisk(const Sysfs& sysfs, const DeviceDatabase& database, const std::string& path,
              std::vector<BlockDevice>& devices) {
  auto disk = ReadDevice(sysfs, database, path, path);
  if (!disk) return;
  disk->below = NamesBelow(sysfs, path);
  const std::string name = disk->name;
  devices.push_back(*std::move(disk));
  for (const Sysfs::Entry& entry : sysfs.List(path)) {
    if (!entry.is_directory || !entry.name.starts_with(name)) continue;
    auto partition = ReadDevice(sysfs, database, path + "/" + entry.name, path);
    if (!partition) continue;
    partition->partition_of = name;
    devices.push_back(*std::move(partition));
  }
}

bool HasSerial(const BlockDevice* device, const std::string& serial) {
  return std::ranges::find(device->serials, serial) != device->serials.end();
}

}  // namespace

DiskMap DiskMap::Read(const Sysfs& sysfs, const DeviceDatabase& database) {
  DiskMap map;
  for (const Sysfs::Entry& entry : sysfs.List("/block")) {
    if (!entry.is_link) continue;
    if (const auto path = sysfs.Follow("/block/" + entry.name)) ReadDisk(sysfs, database, *path, map.devices_);
  }
  return map;
}

const BlockDevice* DiskMap::Find(dev_t device) const {
  const auto found = std::ranges::find(devices_, device, &BlockDevice::device);
  return found == devices_.end() ? nullptr : &*found;
}

const BlockDevice* DiskMap::Find(const std::string& name) const {
  const auto found = std::ranges::find(devices_, name, &BlockDevice::name);
  return found == devices_.end() ? nullptr : &*found;
}

std::vector<const BlockDevice*> DiskMap::Bottom(const BlockDevice& device) const {
  std::vector<const BlockDevice*> bottom;
  AddBottom(device, 0, bottom);
  return bottom;
}

void DiskMap::AddBottom(const BlockDevice& device, size_t depth, std::vector<const BlockDevice*>& bottom) const {
  if (!device.is_virtual) return bottom.push_back(&device);
  if (depth >= kMaxStackDepth) return;
  const BlockDevice* const disk = device.partition_of.empty() ? &device : Find(device.partition_of);
  if (disk == nullptr) return;
  for (const std::string& name : disk->below) {
    const BlockDevice* const next = Find(name);
    if (next != nullptr) AddBottom(*next, depth + 1, bottom);
  }
}

std::vector<const FileSystem*> DiskMap::FileSystemsOn(const std::string& serial, const MountList& list) const {
  std::vector<const FileSystem*> found;
  for (const FileSystem& file_system : list.file_systems) {
    const BlockDevice* const device = Find(file_system.device);
    if (device == nullptr) continue;
    const auto bottom = Bottom(*device);
    if (std::ranges::any_of(bottom, [&](const BlockDevice* disk) { return HasSerial(disk, serial); })) {
      found.push_back(&file_system);
    }
  }
  return found;
}

}  // namespace reeve::storage
