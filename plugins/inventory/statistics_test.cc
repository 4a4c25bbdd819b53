#include "plugins/inventory/statistics.h"

#include "base/testing.h"

namespace reeve::inventory {
namespace {

TEST(StatisticsTest, LoadIsTheFirstThreeNumbers) {
  const auto load = LoadIn("0.52 1.25 10.00 2/345 6789\n");
  REEVE_ASSERT_OK(load);
  EXPECT_EQ(load->load1m, 0.52);
  EXPECT_EQ(load->load5m, 1.25);
  EXPECT_EQ(load->load15m, 10.0);
  for (const char* text : {"", "0.1 0.2", "a b c"}) EXPECT_FALSE(LoadIn(text)) << text;
}

TEST(StatisticsTest, ProcessorsCountInMillisecondsAndTheRowOfAllIsNone) {
  const auto rows = CpuStatsIn(
      "cpu  30 0 0 0 0 0 0 0 0 0\n"
      "cpu0 10 20 30 40 50 60 70 80 90 100\n"
      "cpu12 1 2 3 4\n"
      "intr 5 cpu1 2 3\n",
      100);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].cpu, 0);
  EXPECT_EQ(rows[0].user, 100u);
  EXPECT_EQ(rows[0].nice, 200u);
  EXPECT_EQ(rows[0].system, 300u);
  EXPECT_EQ(rows[0].idle, 400u);
  EXPECT_EQ(rows[0].iowait, 500u);
  EXPECT_EQ(rows[0].irq, 600u);
  EXPECT_EQ(rows[0].softirq, 700u);
  EXPECT_EQ(rows[0].steal, 800u);
  EXPECT_EQ(rows[0].guest, 900u);
  EXPECT_EQ(rows[0].guestnice, 1000u);
  EXPECT_EQ(rows[1].cpu, 12);
  EXPECT_EQ(rows[1].idle, 40u);
  EXPECT_EQ(rows[1].iowait, std::nullopt);
}

TEST(StatisticsTest, DisksOfOldKernelsLackTheLaterColumns) {
  const auto rows = DiskStatsIn(
      "   8       0 sda 1 2 3 4 5 6 7 8 9 10 11\n"
      " 259 1048577 nvme0n1 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15\n"
      "   7       1 loop1 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n"
      "   8       1 sda1 1 2 3 4\n");
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].name, "sda");
  EXPECT_EQ(rows[0].major, 8u);
  EXPECT_EQ(rows[0].stats.read_ios, 1u);
  EXPECT_EQ(rows[0].stats.write_ticks, 8u);
  EXPECT_EQ(rows[0].stats.weight_ticks, 11u);
  EXPECT_EQ(rows[0].stats.discard_ios, std::nullopt);
  EXPECT_EQ(rows[1].minor, 1048577u);
  EXPECT_EQ(rows[1].stats.discard_ticks, 15u);
  EXPECT_EQ(rows[1].stats.flush_ios, std::nullopt);
  EXPECT_EQ(rows[2].stats.flush_ios, 16u);
  EXPECT_EQ(rows[2].stats.flush_ticks, 17u);
}

}  // namespace
}  // namespace reeve::inventory
