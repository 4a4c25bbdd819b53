#include "plugins/inventory/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugins/inventory/statistics.h"

namespace reeve::inventory {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(MetricsTest, NothingMeasuredIsAnEmptyText) {
  EXPECT_EQ(MetricsText({}), "# EOF\n");
}

TEST(MetricsTest, UnitsAreSecondsAndBytes) {
  Measurements now;
  now.processors = CpuStatsIn("cpu3 10 20 30 40 50 60 70 80 90 100\n", 100);
  now.disks = DiskStatsIn("8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n");
  now.mounts.resize(2);
  now.mounts[0].mountpoint = "/";
  now.mounts[0].type = "ext4";
  now.mounts[0].source = "/dev/vda1";
  now.mounts[1].mountpoint = "/dead";
  now.usages = {Usage{.used_bytes = 10, .total_bytes = 90, .total_bytes_privileged = 100}, std::nullopt};
  now.boot_time_s = 1700000000;
  const std::string text = MetricsText(now);
  EXPECT_THAT(text, HasSubstr("node_boot_time_seconds 1700000000\n"));
  EXPECT_THAT(text, HasSubstr("node_cpu_seconds_total{cpu=\"3\",mode=\"user\"} 0.100\n"));
  EXPECT_THAT(text, HasSubstr("node_cpu_guest_seconds_total{cpu=\"3\",mode=\"nice\"} 1.000\n"));
  EXPECT_THAT(text, HasSubstr("node_disk_read_bytes_total{device=\"sda\"} 1536\n"));
  EXPECT_THAT(text, HasSubstr("node_disk_write_time_seconds_total{device=\"sda\"} 0.008\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE node_disk_io_now gauge\nnode_disk_io_now{device=\"sda\"} 9\n"));
  EXPECT_THAT(text, Not(HasSubstr("node_disk_flush")));
  const std::string labels = R"({device="/dev/vda1",fstype="ext4",mountpoint="/"})";
  EXPECT_THAT(text, HasSubstr("node_filesystem_size_bytes" + labels + " 100\n"));
  EXPECT_THAT(text, HasSubstr("node_filesystem_free_bytes" + labels + " 90\n"));
  EXPECT_THAT(text, HasSubstr("node_filesystem_avail_bytes" + labels + " 80\n"));
  EXPECT_THAT(text, Not(HasSubstr("/dead")));
}

TEST(MetricsTest, AFamilyComesInOnePiece) {
  Measurements now;
  now.interfaces = NetworkCountersIn(
      "Inter-|   Receive                                                |  Transmit\n"
      " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier "
      "compressed\n"
      "    lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"
      "eth0.7:17 18 19 20 0 0 0 0 21 22 23 24 0 0 0 0\n");
  const std::string text = MetricsText(now);
  EXPECT_THAT(text, HasSubstr("# TYPE node_network_receive_bytes counter\n"
                              "# UNIT node_network_receive_bytes bytes\n"
                              "node_network_receive_bytes_total{device=\"lo\"} 1\n"
                              "node_network_receive_bytes_total{device=\"eth0.7\"} 17\n"
                              "# TYPE"));
  EXPECT_THAT(text, HasSubstr("node_network_transmit_errs_total{device=\"eth0.7\"} 23\n"));
  EXPECT_THAT(text, HasSubstr("node_network_transmit_drop_total{device=\"lo\"} 12\n"));
}

TEST(MetricsTest, ATableIsCutWhereTheReplyWouldGetTooLarge) {
  Measurements now;
  for (size_t i = 0; i < kMaxMetricRows + 1; ++i) {
    now.interfaces.push_back(
        {std::string(15, 'x') + std::to_string(i), {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX}, {}});
    now.processors.push_back({.cpu = static_cast<int64_t>(i), .idle = UINT64_MAX, .type = {}});
  }
  const std::string text = MetricsText(now);
  EXPECT_LT(text.size(), 3u << 20);
  EXPECT_THAT(text, HasSubstr("x999\"}"));
  EXPECT_THAT(text, Not(HasSubstr("x1000\"}")));
}

TEST(MetricsTest, BootTimeIsALineOfItsOwn) {
  EXPECT_EQ(BootTimeIn("cpu 1 2\nbtime 1700000000\n"), 1700000000u);
  EXPECT_EQ(BootTimeIn("btime\n"), std::nullopt);
}

}  // namespace
}  // namespace reeve::inventory
