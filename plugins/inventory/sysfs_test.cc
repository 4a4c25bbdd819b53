#include <filesystem>
#include <fstream>

#include "base/testing.h"
#include "plugins/inventory/devices.h"
#include "plugins/inventory/memory_blocks.h"
#include "plugins/inventory/processors.h"
#include "plugins/inventory/sysfs.h"

namespace reeve::inventory {
namespace {

using testing::SizeIs;
using testing::UnorderedElementsAre;

// A tree that looks as sysfs does.
class SysfsTest : public testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/reeve-sysfs-XXXXXX";
    directory_ = ::mkdtemp(pattern);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  void Make(const std::string& directory) { std::filesystem::create_directories(directory_ + "/" + directory); }
  void Write(const std::string& name, const std::string& text) {
    Make(name.substr(0, name.rfind('/')));
    std::ofstream(directory_ + "/" + name) << text;
  }
  std::string directory_;
};

TEST_F(SysfsTest, ProcessorsHaveASwitchOrAreOnlineForGood) {
  Make("cpu0");
  Write("cpu1/online", "1\n");
  Write("cpu12/online", "0\n");
  for (const char* other : {"cpufreq", "cpuidle", "power", "cpu", "cpu1x"}) Make(other);
  const auto processors = ProcessorsIn(directory_);
  REEVE_ASSERT_OK(processors);
  std::vector<std::string> seen;
  for (const auto& processor : *processors) {
    seen.push_back(std::to_string(processor.logical_id) + (processor.online ? " on" : " off") +
                   (processor.can_offline.value() ? " switch" : ""));
  }
  EXPECT_THAT(seen, UnorderedElementsAre("0 on", "1 on switch", "12 off switch"));
}

TEST_F(SysfsTest, WithoutTheirDirectoryProcessorsAreAnError) {
  EXPECT_THAT(ProcessorsIn(directory_ + "/none"),
              FailsSaying("failed to list entries: " + directory_ + "/none: No such file or directory"));
}

TEST_F(SysfsTest, MemoryBlocksSayWhetherTheyCouldGo) {
  Write("memory3/state", "online\n");
  Write("memory3/removable", "1\n");
  Write("memory40/state", "offline\n");
  Write("memory40/removable", "0\n");
  Write("memory5/state", "going-offline\n");
  Make("memory6");
  Make("power");
  const auto blocks = MemoryBlocksIn(directory_ + "/");
  REEVE_ASSERT_OK(blocks);
  std::vector<std::string> seen;
  for (const auto& block : *blocks) {
    seen.push_back(std::to_string(block.phys_index) + (block.online ? " on" : " off") +
                   (block.can_offline.value() ? " switch" : ""));
  }
  EXPECT_THAT(seen, UnorderedElementsAre("3 on switch", "40 off", "5 off", "6 on"));
}

TEST_F(SysfsTest, TheSizeOfAMemoryBlockIsHexadecimal) {
  Write("memory/block_size_bytes", "8000000\n");
  EXPECT_EQ(MemoryBlockInfoIn(directory_ + "/memory/").value().size, 128u << 20);
  Write("memory/block_size_bytes", "many\n");
  EXPECT_FALSE(MemoryBlockInfoIn(directory_ + "/memory/"));
}

TEST_F(SysfsTest, WithoutMemoryBlocksTheListIsEmptyAndTheirSizeAnError) {
  const std::string none = directory_ + "/none/";
  const auto blocks = MemoryBlocksIn(none);
  REEVE_ASSERT_OK(blocks);
  EXPECT_TRUE(blocks->empty());
  EXPECT_THAT(MemoryBlockInfoIn(none), FailsSaying("open(\"" + none + "\"): No such file or directory"));
}

TEST_F(SysfsTest, ADeviceIsNamedByTheDriverBehindItsTransport) {
  Write("0000:00:02.0/uevent", "DRIVER=virtio-pci\nPCI_CLASS=20000\n");
  Write("0000:00:02.0/vendor", "0x1af4\n");
  Write("0000:00:02.0/device", "0x1041\n");
  Write("0000:00:02.0/virtio0/uevent", "DRIVER=virtio_net\n");
  Write("0000:00:01.0/uevent", "PCI_CLASS=60000\nDRIVER=ahci\n");
  Write("0000:00:01.0/driver/module/version", "3.0\n");
  Write("0000:00:00.0/uevent", "PCI_CLASS=60000\n");
  const auto devices = DevicesIn(directory_, "6.1.0");
  ASSERT_THAT(devices, SizeIs(2));
  EXPECT_EQ(devices[0].driver_name, "ahci");
  EXPECT_EQ(devices[0].driver_version, "3.0");
  EXPECT_FALSE(devices[0].id);
  EXPECT_EQ(devices[1].driver_name, "virtio_net");
  EXPECT_EQ(devices[1].driver_version, "6.1.0");
  EXPECT_EQ(devices[1].id->vendor_id, 0x1af4);
  EXPECT_EQ(devices[1].id->device_id, 0x1041);
}

TEST_F(SysfsTest, ATransportWhoseDeviceNobodyDrivesIsNamedItself) {
  Write("0000:00:02.0/uevent", "DRIVER=virtio-pci\n");
  Write("0000:00:02.0/virtio0/uevent", "MODALIAS=x\n");
  EXPECT_EQ(DevicesIn(directory_, "6.1.0").at(0).driver_name, "virtio-pci");
}

TEST_F(SysfsTest, WithoutPciThereAreNoDevices) {
  EXPECT_TRUE(DevicesIn(directory_ + "/none", "6.1.0").empty());
}

}  // namespace
}  // namespace reeve::inventory
