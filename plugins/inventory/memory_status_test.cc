#include "plugins/inventory/memory_status.h"

#include "base/testing.h"

namespace reeve::inventory {
namespace {

constexpr const char* kMeminfo =
    "MemTotal:        2027360 kB\n"
    "MemFree:          123456 kB\n"
    "MemAvailable:    1500000 kB\n"
    "Buffers:           10240 kB\n"
    "Cached:           500000 kB\n"
    "SwapCached:            7 kB\n"
    "SwapTotal:       1048576 kB\n"
    "SwapFree:        1048575 kB\n"
    "HugePages_Total:       0\n";

TEST(MemoryStatusTest, AmountsAreBytes) {
  const auto memory = MemoryIn(kMeminfo);
  REEVE_ASSERT_OK(memory);
  EXPECT_EQ(memory->total, 2027360u * 1024);
  EXPECT_EQ(memory->free, 123456u * 1024);
  EXPECT_EQ(memory->available, 1500000u * 1024);
  EXPECT_EQ(memory->buffers, 10240u * 1024);
  EXPECT_EQ(memory->cached, 500000u * 1024);
  EXPECT_EQ(memory->swap_total, 1048576ull * 1024);
  EXPECT_EQ(memory->swap_free, 1048575ull * 1024);
  EXPECT_FALSE(memory->pressure);
}

TEST(MemoryStatusTest, OldKernelsDoNotSayWhatIsAvailable) {
  const auto memory = MemoryIn("MemTotal: 4 kB\nMemFree: 2 kB\n");
  REEVE_ASSERT_OK(memory);
  EXPECT_EQ(memory->available, std::nullopt);
  EXPECT_EQ(memory->swap_total, 0u);
}

TEST(MemoryStatusTest, WhatIsNoAmountIsNone) {
  for (const char* text : {"", "MemTotal: 4 kB\n", "MemTotal: 4 MB\nMemFree: 2 kB\n", "MemTotal 4 kB\nMemFree: 2 kB\n",
                           "MemTotal: -4 kB\nMemFree: 2 kB\n", "MemTotal: 18446744073709551615 kB\nMemFree: 2 kB\n"}) {
    EXPECT_FALSE(MemoryIn(text)) << text;
  }
}

TEST(MemoryStatusTest, PressureHasAveragesAndMicroseconds) {
  const auto pressure = PressureIn(
      "some avg10=97.89 avg60=0.00 avg300=1.50 total=14690433456\n"
      "full avg10=0.25 avg60=0.00 avg300=0.00 total=7\n");
  ASSERT_TRUE(pressure);
  EXPECT_EQ(pressure->some.avg10, 97.89);
  EXPECT_EQ(pressure->some.avg300, 1.5);
  EXPECT_EQ(pressure->some.total_us, 14690433456u);
  ASSERT_TRUE(pressure->full);
  EXPECT_EQ(pressure->full->avg10, 0.25);
  EXPECT_EQ(pressure->full->total_us, 7u);
}

TEST(MemoryStatusTest, ThereIsNoPressureWhereTheKernelCountsNone) {
  EXPECT_FALSE(PressureIn(""));
  EXPECT_FALSE(PressureIn("some avg10=x avg60=0.00 avg300=1.50 total=1\n"));
  const auto old = PressureIn("some avg10=1.00 avg60=0.00 avg300=0.00 total=9\n");  // processors, before Linux 5.13
  ASSERT_TRUE(old);
  EXPECT_FALSE(old->full);
}

}  // namespace
}  // namespace reeve::inventory
