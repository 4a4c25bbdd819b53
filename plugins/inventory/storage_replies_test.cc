#include <gmock/gmock.h>
#include <sys/sysmacros.h>

#include "plugins/inventory/disk_reply.h"
#include "plugins/inventory/filesystem_reply.h"
#include "storage/testing.h"

namespace reeve::inventory {
namespace {

using storage::DiskMap;
using testing::ElementsAre;
using testing::IsEmpty;

const char kVda[] = "/devices/pci0000:00/0000:00:02.0/virtio1/block/vda";
const char kVdb[] = "/devices/pci0000:00/0000:00:04.0/virtio2/block/vdb";
const char kVolume[] = "/devices/virtual/block/dm-0";
const char kLoop[] = "/devices/virtual/block/loop0";

// The order of a real sysfs is the kernel's own; with one device of a kind nothing depends on it here.
template <typename T>
std::string Json(const T& value) {
  plugin::JsonWriter json;
  plugin::WriteValue(json, value);
  return std::string(json.text());
}

class StorageRepliesTest : public testing::Test {
 protected:
  StorageRepliesTest() {
    devices_.AddDriver("/devices/pci0000:00/0000:00:02.0", "virtio-pci");
    devices_.AddDriver("/devices/pci0000:00/0000:00:04.0", "virtio-pci");
  }
  DiskMap Map() { return DiskMap::Read(devices_.sysfs(), devices_); }
  std::string Disks() { return Json(DiskInfosOf(Map())); }
  std::string FileSystems(const storage::MountList& list, const UsageReader::Usages& usages) {
    auto infos = FilesystemInfosOf(list, Map());
    Complete(infos, usages);
    return Json(infos);
  }

  storage::FakeDevices devices_;
};

storage::FileSystem Mounted(dev_t device, const std::string& mountpoint, const std::string& source = "/dev/any") {
  storage::FileSystem file_system;
  file_system.device = device;
  file_system.mount.mountpoint = mountpoint;
  file_system.mount.type = "ext4";
  file_system.mount.source = source;
  return file_system;
}

TEST_F(StorageRepliesTest, ADiskComesAfterItsPartition) {
  devices_.AddDisk(kVda, makedev(254, 0), 8);
  devices_.AddPartition(kVda, "vda1", makedev(254, 1), 4);
  devices_.SetFacts(makedev(254, 0), {.node = "/dev/vda", .serial = "mine"});
  EXPECT_EQ(
      Disks(),
      R"([{"name": "/dev/vda1", "dependencies": ["/dev/vda"], "partition": true}, )"
      R"({"name": "/dev/vda", "dependencies": [], "partition": false, "address": {"serial": "mine", "bus-type": "virtio", )"
      R"("bus": 0, "unit": 0, "pci-controller": {"bus": 0, "slot": 2, "domain": 0, "function": 0}, "dev": "/dev/vda", "target": 0}}])");
}

TEST_F(StorageRepliesTest, WhatHasNoSizeIsNoDisk) {
  devices_.AddDisk(kLoop, makedev(7, 0), 0);
  devices_.AddPartition(kLoop, "loop0p1", makedev(259, 1), 4);
  EXPECT_EQ(Disks(), "[]");
}

TEST_F(StorageRepliesTest, AVolumeHasItsNameAndWhatItIsMadeOfAndNoAddress) {
  devices_.AddDisk(kVolume, makedev(253, 0), 8);
  devices_.AddDisk(kVda, makedev(254, 0), 0);
  devices_.Stack(kVolume, kVda);
  devices_.SetFacts(makedev(253, 0), {.node = "/dev/dm-0", .mapper_name = "group-home"});
  EXPECT_EQ(Disks(),
            R"([{"name": "/dev/dm-0", "dependencies": ["/dev/vda"], "partition": false, "alias": "group-home"}])");
}

TEST_F(StorageRepliesTest, AFileSystemOnAVolumeHasTheDisksBelowIt) {
  devices_.AddDisk(kVolume, makedev(253, 0), 8);
  devices_.AddDisk(kVda, makedev(254, 0), 8);
  devices_.AddDisk(kVdb, makedev(254, 16), 8);
  devices_.Stack(kVolume, kVda);
  devices_.Stack(kVolume, kVdb);
  const auto infos = FilesystemInfosOf({{Mounted(makedev(253, 0), "/home")}, {}}, Map());
  ASSERT_EQ(infos.size(), 1u);
  EXPECT_EQ(infos[0].name, "dm-0");
  std::vector<std::string> nodes;
  for (const auto& disk : infos[0].disk) nodes.push_back(disk.dev.value_or("none"));
  EXPECT_THAT(nodes, testing::UnorderedElementsAre("/dev/vda", "/dev/vdb"));
}

TEST_F(StorageRepliesTest, TheLastMountedComesFirstAndDiskIsThereEvenWhenEmpty) {
  devices_.AddDisk(kLoop, makedev(7, 0), 8);
  EXPECT_EQ(
      FileSystems({{Mounted(makedev(7, 0), "/"), Mounted(makedev(99, 3), "/gone")}, {}},
                  {Usage{10, 20, 30}, std::nullopt}),
      R"([{"name": "99:3", "mountpoint": "/gone", "disk": [], "type": "ext4"}, )"
      R"({"name": "loop0", "total-bytes": 20, "total-bytes-privileged": 30, "mountpoint": "/", "disk": [], "used-bytes": 10, )"
      R"("type": "ext4"}])");
}

TEST_F(StorageRepliesTest, ABtrfsWhoseDeviceIsNotSeenIsNamedByItsSource) {
  const auto infos = FilesystemInfosOf({{Mounted(0, "/pool", "/dev/mapper/pool")}, {}}, Map());
  EXPECT_EQ(infos[0].name, "pool");
  EXPECT_THAT(infos[0].disk, IsEmpty());
}

TEST_F(StorageRepliesTest, WhatIsNotOnPciHasFourTimesMinusOne) {
  devices_.AddDisk("/devices/vbd-51712/block/xvda", makedev(202, 0), 8);
  EXPECT_EQ(
      Disks(),
      R"([{"name": "/dev/xvda", "dependencies": [], "partition": false, "address": {"bus-type": "unknown", "bus": 0, "unit": 0, )"
      R"("pci-controller": {"bus": -1, "slot": -1, "domain": -1, "function": -1}, "dev": "/dev/xvda", "target": 0}}])");
}

}  // namespace
}  // namespace reeve::inventory
