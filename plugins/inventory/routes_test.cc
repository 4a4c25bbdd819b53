#include "plugins/inventory/routes.h"

#include "base/testing.h"

namespace reeve::inventory {
namespace {

constexpr const char* kTitles = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";

TEST(RoutesTest, ReadsATableAsTheKernelPrintsIt) {
  const auto routes =
      RoutesIn(std::string(kTitles) + "eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t1400\t7\t9  \n" +
               "eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0  \n");
  ASSERT_EQ(routes.size(), 2u);
  EXPECT_EQ(routes[0].destination, "0.0.0.0");
  EXPECT_EQ(routes[0].gateway, "192.0.2.1");
  EXPECT_EQ(routes[0].metric, 100);
  EXPECT_EQ(routes[0].mtu, 1400);
  EXPECT_EQ(routes[0].window, 7);
  EXPECT_EQ(routes[0].irtt, 9);
  EXPECT_EQ(routes[0].flags, 3u);
  EXPECT_EQ(routes[0].version, 4);
  EXPECT_EQ(routes[1].destination, "192.0.2.0");
  EXPECT_EQ(routes[1].mask, "255.255.255.0");
}

TEST(RoutesTest, ReadsARowOfIpv6) {
  const auto routes = Ipv6RoutesIn(
      "20010db8000000000000000000000000 40 00000000000000000000000000000000 00 fe800000000000000000000000000001 "
      "ffffffff 00000002 00000000 00200200     eth0\n");
  ASSERT_EQ(routes.size(), 1u);
  EXPECT_EQ(routes[0].destination, "2001:db8::");
  EXPECT_EQ(routes[0].desprefixlen, "64");
  EXPECT_EQ(routes[0].source, "::");
  EXPECT_EQ(routes[0].nexthop, "fe80::1");
  EXPECT_EQ(routes[0].metric, 4294967295);
  EXPECT_EQ(routes[0].refcnt, 2);
  EXPECT_EQ(routes[0].flags, 0x200200u);
  EXPECT_EQ(routes[0].iface, "eth0");
  EXPECT_EQ(routes[0].version, 6);
}

TEST(RoutesTest, ARowThatIsNotTheKernelsIsLeftOut) {
  EXPECT_TRUE(RoutesIn(kTitles).empty());
  EXPECT_TRUE(RoutesIn("eth0 00000000 00000000 0001\nx\n\n").empty());
  EXPECT_TRUE(Ipv6RoutesIn("2001 40 0 0 0 0 0 0 0 eth0\n").empty());
  EXPECT_TRUE(RoutesIn("").empty() && Ipv6RoutesIn("").empty());
}

}  // namespace
}  // namespace reeve::inventory
