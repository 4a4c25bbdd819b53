#include "storage/disks.h"

#include <gmock/gmock.h>
#include <sys/sysmacros.h>

#include "storage/testing.h"

namespace reeve::storage {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

const char kVda[] = "/devices/pci0000:00/0000:00:02.0/virtio1/block/vda";
const char kSda[] = "/devices/pci0000:00/0000:00:03.0/virtio2/host0/target0:0:0/0:0:0:1/block/sda";
const char kSdb[] = "/devices/pci0000:00/0000:00:03.0/virtio2/host0/target0:0:0/0:0:0:2/block/sdb";
const char kMd[] = "/devices/virtual/block/md0";
const char kVolume[] = "/devices/virtual/block/dm-0";
const char kLoop[] = "/devices/virtual/block/loop0";

// A system disk with two partitions; a volume on a mirror of two disks; a loop.
class DiskMapTest : public testing::Test {
 protected:
  DiskMapTest() {
    devices_.AddDriver("/devices/pci0000:00/0000:00:02.0", "virtio-pci");
    devices_.AddDriver("/devices/pci0000:00/0000:00:03.0", "virtio-pci");
    devices_.AddDisk(kVda, makedev(254, 0), 2097152);
    devices_.AddPartition(kVda, "vda1", makedev(254, 1), 2048);
    devices_.AddPartition(kVda, "vda2", makedev(254, 2), 4096);
    devices_.AddDirectory(std::string(kVda) + "/queue");
    devices_.AddDisk(kSda, makedev(8, 0), 8192);
    devices_.AddDisk(kSdb, makedev(8, 16), 8192);
    devices_.AddDisk(kMd, makedev(9, 0), 8000);
    devices_.AddPartition(kMd, "md0p1", makedev(259, 7), 4000);
    devices_.AddDisk(kVolume, makedev(253, 0), 4000);
    devices_.AddDisk(kLoop, makedev(7, 0), 0);
    devices_.Stack(kMd, kSda);
    devices_.Stack(kMd, kSdb);
    devices_.Stack(kVolume, kMd);
    devices_.SetFacts(makedev(254, 0), {.node = "/dev/vda", .serial = "system-disk"});
    devices_.SetFacts(makedev(254, 1), {.node = "/dev/vda1", .serial = "system-disk"});
    devices_.SetFacts(
        makedev(8, 0),
        {.node = "/dev/sda", .serial = "0QEMU_QEMU_HARDDISK_left", .short_serial = "0QEMU", .scsi_serial = "left"});
    devices_.SetFacts(makedev(253, 0), {.node = "/dev/dm-0", .mapper_name = "group-home"});
  }

  DiskMap Map() { return DiskMap::Read(devices_.sysfs(), devices_); }
  std::vector<std::string> BottomOf(const std::string& name) {
    const DiskMap map = Map();
    std::vector<std::string> names;
    for (const BlockDevice* device : map.Bottom(*map.Find(name))) names.push_back(device->name);
    return names;
  }

  FakeDevices devices_;
};

std::vector<std::string> Names(const DiskMap& map) {
  std::vector<std::string> names;
  for (const BlockDevice& device : map.devices()) names.push_back(device.name);
  return names;
}

FileSystem MountedFrom(dev_t device, const std::string& mountpoint) {
  FileSystem file_system;
  file_system.device = device;
  file_system.mount.mountpoint = mountpoint;
  return file_system;
}

TEST_F(DiskMapTest, HasEveryDiskAndPartition) {
  EXPECT_THAT(Names(Map()), UnorderedElementsAre("vda", "vda1", "vda2", "sda", "sdb", "md0", "md0p1", "dm-0", "loop0"));
}

TEST_F(DiskMapTest, SaysWhatADiskIs) {
  const DiskMap map = Map();
  const BlockDevice& disk = *map.Find("vda");
  EXPECT_EQ(disk.path, kVda);
  EXPECT_EQ(disk.device, makedev(254, 0));
  EXPECT_EQ(disk.node, "/dev/vda");
  EXPECT_EQ(disk.size_bytes, 1u << 30);
  EXPECT_FALSE(disk.is_virtual);
  EXPECT_EQ(disk.partition_of, "");
  EXPECT_EQ(disk.serial, "system-disk");
  ASSERT_TRUE(disk.address);
  EXPECT_EQ(disk.address->bus_type, BusType::kVirtio);
}

TEST_F(DiskMapTest, SaysWhatAPartitionIsPartOf) {
  const DiskMap map = Map();
  const BlockDevice& partition = *map.Find(makedev(254, 2));
  EXPECT_EQ(partition.name, "vda2");
  EXPECT_EQ(partition.partition_of, "vda");
  EXPECT_EQ(partition.node, "/dev/vda2") << "by its name, since udev does not know it";
  EXPECT_EQ(partition.size_bytes, 4096u * 512);
  ASSERT_TRUE(partition.address);
}

TEST_F(DiskMapTest, SaysWhatAVolumeIsMadeOf) {
  const DiskMap map = Map();
  const BlockDevice& volume = *map.Find("dm-0");
  EXPECT_TRUE(volume.is_virtual);
  EXPECT_FALSE(volume.address);
  EXPECT_EQ(volume.alias, "group-home");
  EXPECT_THAT(volume.below, ElementsAre("md0"));
  EXPECT_THAT(map.Find("md0")->below, UnorderedElementsAre("sda", "sdb"));
}

TEST_F(DiskMapTest, FindsTheDisksBelowAVolumeOnAMirror) {
  EXPECT_THAT(BottomOf("dm-0"), UnorderedElementsAre("sda", "sdb"));
  EXPECT_THAT(BottomOf("md0p1"), UnorderedElementsAre("sda", "sdb"));
  EXPECT_THAT(BottomOf("vda1"), ElementsAre("vda1"));
  EXPECT_THAT(BottomOf("loop0"), IsEmpty());
}

TEST_F(DiskMapTest, AStackThatLeadsInARingEnds) {
  devices_.Stack(kMd, kVolume);
  EXPECT_FALSE(BottomOf("dm-0").empty());
}

TEST_F(DiskMapTest, KnowsADiskByEachOfItsSerialNumbers) {
  const DiskMap map = Map();
  EXPECT_THAT(map.Find("sda")->serials, ElementsAre("0QEMU_QEMU_HARDDISK_left", "0QEMU", "left"));
}

TEST_F(DiskMapTest, TakesTheKernelsSerialNumberAndVolumeNameWhereNoUdevRuns) {
  devices_.Write(std::string(kSdb) + "/serial", "  from kernel ");
  devices_.Write("/devices/virtual/block/dm-1/dm/name", "group-other");
  devices_.AddDisk("/devices/virtual/block/dm-1", makedev(253, 1), 8);
  const DiskMap map = Map();
  EXPECT_EQ(map.Find("sdb")->serial, "from kernel");
  EXPECT_EQ(map.Find("dm-1")->alias, "group-other");
}

TEST_F(DiskMapTest, ANameWithASlashIsOne) {
  devices_.AddDisk("/devices/pci0000:00/0000:00:09.0/cciss0/c0d0/block/cciss!c0d0", makedev(104, 0), 8);
  EXPECT_EQ(Map().Find("cciss!c0d0")->node, "/dev/cciss/c0d0");
}

TEST_F(DiskMapTest, FindsTheFileSystemsOnTheDiskWithASerialNumber) {
  MountList list;
  list.file_systems = {MountedFrom(makedev(254, 1), "/"), MountedFrom(makedev(253, 0), "/home"),
                       MountedFrom(makedev(7, 0), "/image"), MountedFrom(0, "/unknown")};
  const DiskMap map = Map();
  const auto on_left = map.FileSystemsOn("left", list);
  ASSERT_EQ(on_left.size(), 1u);
  EXPECT_EQ(on_left[0]->mount.mountpoint, "/home");
  const auto on_system = map.FileSystemsOn("system-disk", list);
  ASSERT_EQ(on_system.size(), 1u);
  EXPECT_EQ(on_system[0]->mount.mountpoint, "/");
  EXPECT_THAT(map.FileSystemsOn("", list), IsEmpty());
  EXPECT_THAT(map.FileSystemsOn("unheard-of", list), IsEmpty());
}

TEST_F(DiskMapTest, AMachineWithoutDisksHasNone) {
  EXPECT_THAT(DiskMap::Read(Sysfs("/nonexistent"), devices_).devices(), IsEmpty());
}

TEST(SysfsTest, ReadsNothingAboveAPage) {
  FakeDevices devices;
  devices.Write("/block/long", std::string(Sysfs::kMaxAttributeBytes + 1, 'x'));
  devices.Write("/block/short", "text");
  EXPECT_EQ(devices.sysfs().Read("/block/long"), std::nullopt);
  EXPECT_EQ(devices.sysfs().Read("/block/short"), "text");
}

TEST(UdevDatabaseTest, KnowsNothingOfADeviceThatIsNot) {
  EXPECT_EQ(UdevDatabase().Find(makedev(4000, 77)), std::nullopt);
}

}  // namespace
}  // namespace reeve::storage
