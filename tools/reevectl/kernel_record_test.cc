#include "tools/reevectl/kernel_record.h"

#include <gtest/gtest.h>

namespace reeve::reevectl {
namespace {

constexpr char kRecord[] =
    "5,1234,98765432,-;audit: type=1326 audit(1790000000.123:45): auid=4294967295 uid=78002 gid=78002 ses=4294967295 "
    "subj=unconfined pid=4711 comm=\"reeve-worker\" exe=\"/x\" sig=31 arch=c000003e syscall=101 compat=0 ip=0x7f "
    "code=0x80000000\n";

TEST(KernelRecordTest, ReadsWhoWasKilledWhenAndAtWhichCall) {
  const auto record = ParseKillRecord(kRecord);
  ASSERT_TRUE(record.has_value());
  EXPECT_EQ(record->at, std::chrono::microseconds(98'765'432));
  EXPECT_EQ(record->uid, 78002u);
  EXPECT_EQ(record->pid, 4711u);
  EXPECT_EQ(record->system_call, 101);
}

TEST(KernelRecordTest, TakesNoOtherRecordForOne) {
  for (const char* other : {"", ";", "6,1,2,-;usb 1-1: new device", "5,1234;audit: type=1326 pid=1 uid=2 syscall=3",
                            "5,1,2,-;audit: type=1300 audit(1.1:1): uid=1 pid=2 syscall=3",
                            "5,1,2,-;audit: type=1326 audit(1.1:1): uid=x pid=2 syscall=3"})
    EXPECT_FALSE(ParseKillRecord(other).has_value()) << other;
}

TEST(KernelRecordTest, NamesASystemCallWhereItCan) {
  EXPECT_TRUE(SystemCallText(0).starts_with("0 ("));
  EXPECT_EQ(SystemCallText(100'000), "100000");
}

}  // namespace
}  // namespace reeve::reevectl
