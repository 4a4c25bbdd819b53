#include "storage/disk_table.h"

#include <gtest/gtest.h>
#include <sys/sysmacros.h>

#include "storage/testing.h"

namespace reeve::storage {
namespace {

constexpr uint64_t kLater = DiskTable::kSettleMs;

class DiskTableTest : public testing::Test {
 protected:
  DiskTableTest() { SetEvents(7); }
  void SetEvents(int number) { devices_.Write("/kernel/uevent_seqnum", std::to_string(number)); }
  std::string Queue() { return devices_.root() + "/queue"; }
  size_t Count(uint64_t now_ms) { return table_.Current(now_ms).devices().size(); }

  FakeDevices devices_;
  DiskTable table_{devices_.sysfs(), devices_, Queue()};
};

TEST_F(DiskTableTest, ReadsAgainUntilTheDevicesHaveSettledAndThenNoMore) {
  for (const uint64_t now_ms : {uint64_t{0}, kLater - 1, kLater, kLater + 1, kLater + 1000}) Count(now_ms);
  EXPECT_EQ(table_.generation(), 3u);
}

TEST_F(DiskTableTest, ReadsAgainAfterAnEvent) {
  Count(0);
  Count(kLater);
  devices_.AddDisk("/devices/pci0000:00/0000:00:02.0/virtio1/block/vda", makedev(254, 0), 8);
  EXPECT_EQ(Count(kLater), 0u) << "the kernel has told of nothing";
  SetEvents(8);
  EXPECT_EQ(Count(kLater), 1u);
}

TEST_F(DiskTableTest, ReadsAgainWhileUdevIsAtWork) {
  devices_.Write("/queue", "");
  Count(0);
  Count(kLater);
  Count(kLater + 1);
  EXPECT_EQ(table_.generation(), 3u);
}

TEST(DiskTableAloneTest, WithoutACountOfEventsEachQuestionReads) {
  FakeDevices devices;
  DiskTable table(devices.sysfs(), devices, "/nonexistent");
  table.Current(0);
  table.Current(kLater);
  table.Current(kLater + 1);
  EXPECT_EQ(table.generation(), 3u);
}

}  // namespace
}  // namespace reeve::storage
