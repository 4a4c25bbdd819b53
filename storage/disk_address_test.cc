#include "storage/disk_address.h"

#include <gmock/gmock.h>

#include "storage/testing.h"

namespace reeve::storage {

// Outside of the unnamed namespace: what GoogleTest prints of a failure.
std::ostream& operator<<(std::ostream& out, const DiskAddress& address) {
  const PciAddress& pci = address.controller;
  out << NameOf(address.bus_type) << " " << pci.domain << ":" << pci.bus << ":" << pci.slot << "." << pci.function
      << " " << address.bus << ":" << address.target << ":" << address.unit;
  if (address.ccw) {
    out << " ccw " << address.ccw->cssid << "." << address.ccw->ssid << "." << address.ccw->subchannel << "."
        << address.ccw->device_number;
  }
  return out;
}

namespace {

class DiskAddressTest : public testing::Test {
 protected:
  std::string At(const std::string& path) {
    std::ostringstream text;
    text << AddressOf(devices_.sysfs(), path);
    return text.str();
  }
  FakeDevices devices_;
};

TEST_F(DiskAddressTest, AVirtioDiskIsItsController) {
  devices_.AddDriver("/devices/pci0000:00/0000:00:02.0", "virtio-pci");
  EXPECT_EQ(At("/devices/pci0000:00/0000:00:02.0/virtio1/block/vda"), "virtio 0:0:2.0 0:0:0");
}

TEST_F(DiskAddressTest, APartitionHasTheAddressOfItsDisk) {
  devices_.AddDriver("/devices/pci0000:00/0000:00:02.0", "virtio-pci");
  EXPECT_EQ(At("/devices/pci0000:00/0000:00:02.0/virtio1/block/vda/vda3"), "virtio 0:0:2.0 0:0:0");
}

TEST_F(DiskAddressTest, BehindBridgesTheFirstKnownDriverIsTheController) {
  devices_.AddDriver("/devices/pci0000:00/0000:00:02.1", "pcieport");
  devices_.AddDriver("/devices/pci0000:00/0000:00:02.1/0000:0a:1f.7", "virtio-pci");
  EXPECT_EQ(At("/devices/pci0000:00/0000:00:02.1/0000:0a:1f.7/virtio0/block/vdb"), "virtio 0:10:31.7 0:0:0");
}

TEST_F(DiskAddressTest, AVirtioScsiDiskIsToldByTargetAndUnit) {
  devices_.AddDriver("/devices/pci0000:00/0000:00:03.0", "virtio-pci");
  EXPECT_EQ(At("/devices/pci0000:00/0000:00:03.0/virtio2/host6/target6:0:3/6:0:3:12/block/sdc"), "scsi 0:0:3.0 0:3:12");
}

TEST_F(DiskAddressTest, ALsiScsiDiskIsToldByItsTargetAsUnit) {
  devices_.AddDriver("/devices/pci0000:00/0000:00:04.0", "sym53c8xx");
  EXPECT_EQ(At("/devices/pci0000:00/0000:00:04.0/host2/target2:0:5/2:0:5:0/block/sdd"), "scsi 0:0:4.0 0:0:5");
}

TEST_F(DiskAddressTest, ASataDiskIsToldByItsPortOfTheController) {
  const std::string controller = "/devices/pci0000:00/0000:00:1f.2";
  devices_.AddDriver(controller, "ahci");
  for (const char* port : {"ata3", "ata10", "ata4", "ata5"}) devices_.AddDirectory(controller + "/" + port);
  EXPECT_EQ(At(controller + "/ata10/host9/target9:0:0/9:0:0:0/block/sda"), "sata 0:0:31.2 0:0:3");
  EXPECT_EQ(At(controller + "/ata3/host2/target2:0:0/2:0:0:0/block/sdb"), "sata 0:0:31.2 0:0:0");
}

TEST_F(DiskAddressTest, AnIdeDiskIsToldByChannelAndDrive) {
  const std::string controller = "/devices/pci0000:00/0000:00:01.1";
  devices_.AddDriver(controller, "ata_piix");
  for (const char* port : {"ata1", "ata2"}) devices_.AddDirectory(controller + "/" + port);
  EXPECT_EQ(At(controller + "/ata2/host1/target1:0:1/1:0:1:0/block/sda"), "ide 0:0:1.1 1:0:1");
}

TEST_F(DiskAddressTest, AnAtaPathWithoutATargetTellsOnlyItsController) {
  devices_.AddDriver("/devices/pci0000:00/0000:00:1f.2", "ahci");
  EXPECT_EQ(At("/devices/pci0000:00/0000:00:1f.2/ata1/block/sda"), "unknown 0:0:31.2 0:0:0");
}

TEST_F(DiskAddressTest, NvmeAndUsbDisksAreToldByTheirController) {
  devices_.AddDriver("/devices/pci0000:00/0000:00:05.0", "nvme");
  devices_.AddDriver("/devices/pci0000:00/0000:00:06.0", "xhci_hcd");
  devices_.AddDriver("/devices/pci0000:00/0000:00:07.7", "ehci-pci");
  EXPECT_EQ(At("/devices/pci0000:00/0000:00:05.0/nvme/nvme0/nvme0n1"), "nvme 0:0:5.0 0:0:0");
  EXPECT_EQ(At("/devices/pci0000:00/0000:00:06.0/usb2/2-1/2-1:1.0/host7/target7:0:0/7:0:0:0/block/sde"),
            "usb 0:0:6.0 0:0:0");
  EXPECT_EQ(At("/devices/pci0000:00/0000:00:07.7/usb1/1-1/1-1:1.0/host8/target8:0:0/8:0:0:0/block/sdf"),
            "usb 0:0:7.7 0:0:0");
}

TEST_F(DiskAddressTest, AnUnknownDriverTellsNothing) {
  devices_.AddDriver("/devices/pci0000:00/0000:00:05.0", "unheard-of");
  EXPECT_EQ(At("/devices/pci0000:00/0000:00:05.0/host1/target1:0:0/1:0:0:0/block/sda"), "unknown -1:-1:-1.-1 0:0:0");
  EXPECT_EQ(At("/devices/pci0000:00/0000:00:06.0/host1/target1:0:0/1:0:0:0/block/sda"), "unknown -1:-1:-1.-1 0:0:0");
}

TEST_F(DiskAddressTest, AChannelSubsystemsDiskIsToldByItsChannel) {
  EXPECT_EQ(At("/devices/css0/0.1.0002/0.1.1a2b/virtio1/block/vda"), "virtio -1:-1:-1.-1 0:0:0 ccw 0.1.2.6699");
  EXPECT_EQ(At("/devices/css0/0.0.0003/0.0.0005/virtio2/host0/target0:0:4/0:0:4:2/block/sda"),
            "scsi -1:-1:-1.-1 0:4:2 ccw 0.0.3.5");
}

TEST_F(DiskAddressTest, VirtioWithoutPciIsToldByItsKindAlone) {
  EXPECT_EQ(At("/devices/platform/a003e00.virtio_mmio/virtio0/block/vda"), "virtio -1:-1:-1.-1 0:0:0");
}

TEST_F(DiskAddressTest, OddPathsTellNothing) {
  for (const char* path : {"", "/", "/devices", "/devices/pci0000:00", "/devices/pci0000:00/0000:00:02.0x/block/vda",
                           "/devices/vbd-51712/block/xvda", "/devices/css0", "/devices/css0/x/y/z"}) {
    EXPECT_EQ(At(path), "unknown -1:-1:-1.-1 0:0:0") << path;
  }
}

}  // namespace
}  // namespace reeve::storage
