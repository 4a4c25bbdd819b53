#include "plugins/inventory/interfaces.h"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>

#include "base/testing.h"
#include "base/unique_fd.h"

namespace reeve::inventory {
namespace {

using inventory_manifest::GuestIpAddressType;
using testing::SizeIs;

// Writes messages as the kernel does.
class Dump {
 public:
  Dump& Begin(uint16_t type, Bytes fixed) {
    start_ = bytes_.size();
    nlmsghdr header{};
    header.nlmsg_type = type;
    Append(BytesOf(header));
    Append(fixed);
    return End();
  }
  Dump& Link(int index) {
    ifinfomsg fixed{};
    fixed.ifi_index = index;
    return Begin(RTM_NEWLINK, BytesOf(fixed));
  }
  Dump& Address(int index, uint8_t family, uint8_t prefix) {
    ifaddrmsg fixed{};
    fixed.ifa_family = family;
    fixed.ifa_prefixlen = prefix;
    fixed.ifa_index = static_cast<uint32_t>(index);
    return Begin(RTM_NEWADDR, BytesOf(fixed));
  }
  Dump& With(uint16_t type, Bytes value) {
    rtattr header{static_cast<uint16_t>(sizeof(rtattr) + value.size()), type};
    Append(BytesOf(header));
    Append(value);
    return End();
  }
  Dump& With(uint16_t type, std::string_view text) { return With(type, AsBytes(std::string(text) + '\0')); }
  const std::vector<uint8_t>& bytes() const { return bytes_; }

 private:
  void Append(Bytes more) {
    bytes_.insert(bytes_.end(), more.begin(), more.end());
    while (bytes_.size() % NLMSG_ALIGNTO != 0) bytes_.push_back(0);
  }
  Dump& End() {
    const uint32_t length = static_cast<uint32_t>(bytes_.size() - start_);
    std::memcpy(bytes_.data() + start_, &length, sizeof length);
    return *this;
  }
  std::vector<uint8_t> bytes_;
  size_t start_ = 0;
};

constexpr std::array<uint8_t, 6> kHardware = {2, 0xAB, 0, 0, 0, 1};
constexpr std::array<uint8_t, 4> kIpv4 = {192, 0, 2, 1};
constexpr std::array<uint8_t, 4> kPeer = {192, 0, 2, 2};
constexpr std::array<uint8_t, 16> kIpv6 = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5};

rtnl_link_stats64 Counters() {
  rtnl_link_stats64 counters{};
  counters.rx_bytes = 1;
  counters.rx_packets = 2;
  counters.rx_errors = 3;
  counters.rx_dropped = 40;
  counters.rx_missed_errors = 2;
  counters.tx_bytes = 5;
  counters.tx_packets = 6;
  counters.tx_errors = 7;
  counters.tx_dropped = 8;
  return counters;
}

Dump TwoLinks() {
  Dump links;
  links.Link(1).With(IFLA_IFNAME, "lo").With(IFLA_ADDRESS, Bytes(std::array<uint8_t, 6>{}));
  links.Link(2).With(IFLA_IFNAME, "eth0").With(IFLA_ADDRESS, Bytes(kHardware)).With(IFLA_STATS64, BytesOf(Counters()));
  return links;
}

TEST(InterfacesTest, LinksComeInTheKernelsOrderAndAddressesToTheirLink) {
  Dump addresses;
  addresses.Address(2, AF_INET, 24).With(IFA_ADDRESS, Bytes(kIpv4)).With(IFA_LABEL, "eth0");
  addresses.Address(2, AF_INET6, 64).With(IFA_ADDRESS, Bytes(kIpv6));
  const auto interfaces = InterfacesIn(TwoLinks().bytes(), addresses.bytes());
  ASSERT_THAT(interfaces, SizeIs(2));
  EXPECT_EQ(interfaces[0].name, "lo");
  EXPECT_EQ(interfaces[0].hardware_address, "00:00:00:00:00:00");
  EXPECT_FALSE(interfaces[0].ip_addresses || interfaces[0].statistics);
  EXPECT_EQ(interfaces[1].hardware_address, "02:ab:00:00:00:01");
  ASSERT_THAT(interfaces[1].ip_addresses.value(), SizeIs(2));
  EXPECT_EQ(interfaces[1].ip_addresses->at(0).ip_address, "192.0.2.1");
  EXPECT_EQ(interfaces[1].ip_addresses->at(0).prefix, 24);
  EXPECT_EQ(interfaces[1].ip_addresses->at(1).ip_address, "2001:db8::5");
  EXPECT_EQ(interfaces[1].ip_addresses->at(1).ip_address_type, GuestIpAddressType::kIpv6);
}

TEST(InterfacesTest, WhatWasMissedCountsAsDropped) {
  Dump addresses;
  addresses.Address(2, AF_INET, 24).With(IFA_ADDRESS, Bytes(kIpv4));
  const auto statistics = InterfacesIn(TwoLinks().bytes(), addresses.bytes()).at(1).statistics.value();
  EXPECT_EQ(statistics.rx_bytes, 1u);
  EXPECT_EQ(statistics.rx_packets, 2u);
  EXPECT_EQ(statistics.rx_errs, 3u);
  EXPECT_EQ(statistics.rx_dropped, 42u);
  EXPECT_EQ(statistics.tx_bytes, 5u);
  EXPECT_EQ(statistics.tx_packets, 6u);
  EXPECT_EQ(statistics.tx_errs, 7u);
  EXPECT_EQ(statistics.tx_dropped, 8u);
}

TEST(InterfacesTest, OnALinkWithAPeerTheOwnAddressIsShown) {
  Dump addresses;
  addresses.Address(2, AF_INET, 32).With(IFA_ADDRESS, Bytes(kPeer)).With(IFA_LOCAL, Bytes(kIpv4));
  const auto interfaces = InterfacesIn(TwoLinks().bytes(), addresses.bytes());
  EXPECT_EQ(interfaces.at(1).ip_addresses->at(0).ip_address, "192.0.2.1");
}

TEST(InterfacesTest, ALabelHasAnEntryOfItsOwnWithoutStatistics) {
  Dump addresses;
  addresses.Address(2, AF_INET, 24).With(IFA_LOCAL, Bytes(kIpv4)).With(IFA_LABEL, "eth0:web");
  addresses.Address(2, AF_INET, 24).With(IFA_LOCAL, Bytes(kPeer)).With(IFA_LABEL, "strange");
  const auto interfaces = InterfacesIn(TwoLinks().bytes(), addresses.bytes());
  ASSERT_THAT(interfaces, SizeIs(4));
  EXPECT_FALSE(interfaces[1].ip_addresses);
  EXPECT_EQ(interfaces[2].name, "eth0:web");
  EXPECT_EQ(interfaces[2].hardware_address, "02:ab:00:00:00:01");
  EXPECT_FALSE(interfaces[2].statistics);
  EXPECT_EQ(interfaces[3].name, "strange");
  EXPECT_FALSE(interfaces[3].hardware_address);
}

TEST(InterfacesTest, AHardwareAddressOfAnotherLengthIsFilledOrCut) {
  Dump links;
  links.Link(1).With(IFLA_IFNAME, "tun0");
  links.Link(2).With(IFLA_IFNAME, "sit0").With(IFLA_ADDRESS, Bytes(kIpv4));
  links.Link(3).With(IFLA_IFNAME, "ib0").With(IFLA_ADDRESS, Bytes(kIpv6));
  const auto interfaces = InterfacesIn(links.bytes(), {});
  EXPECT_EQ(interfaces.at(0).hardware_address, "00:00:00:00:00:00");
  EXPECT_EQ(interfaces.at(1).hardware_address, "c0:00:02:01:00:00");
  EXPECT_EQ(interfaces.at(2).hardware_address, "20:01:0d:b8:00:00");
}

TEST(InterfacesTest, AnAddressOfNoLinkOrOfAWrongLengthIsLeftOut) {
  Dump addresses;
  addresses.Address(9, AF_INET, 24).With(IFA_LOCAL, Bytes(kIpv4));
  addresses.Address(2, AF_INET, 24).With(IFA_LOCAL, Bytes(kIpv6));
  addresses.Address(2, AF_INET6, 24).With(IFA_LOCAL, Bytes(kIpv4));
  addresses.Address(2, AF_UNIX, 24).With(IFA_LOCAL, Bytes(kIpv4));
  addresses.Address(2, AF_INET, 24);
  for (const auto& interface : InterfacesIn(TwoLinks().bytes(), addresses.bytes())) {
    EXPECT_FALSE(interface.ip_addresses) << interface.name;
  }
}

TEST(InterfacesTest, CutMessagesAreNone) {
  const std::vector<uint8_t> whole = TwoLinks().bytes();
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_LE(InterfacesIn(Bytes(whole).first(size), {}).size(), 1u) << size;
  }
}

TEST(NetlinkDumpTest, ALengthBelowTheHeaderEndsTheReading) {
  std::vector<uint8_t> bytes = TwoLinks().bytes();
  bytes[0] = 3;
  EXPECT_TRUE(MessagesIn(bytes).empty());
}

class TablesTest : public testing::Test {
 protected:
  void SetUp() override {
    socket_ = UniqueFd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    if (!socket_) GTEST_SKIP() << "no route sockets here";
  }
  UniqueFd socket_;
};

TEST_F(TablesTest, TheMachinesLoopbackIsFoundAgainAndAgain) {
  NetlinkTables tables(socket_.get());
  for (int i = 0; i < 3; ++i) {
    const auto interfaces = InterfacesNow(tables);
    REEVE_ASSERT_OK(interfaces);
    ASSERT_FALSE(interfaces->empty());
    EXPECT_EQ(interfaces->at(0).name, "lo");
  }
}

TEST_F(TablesTest, WhatAnAbandonedQuestionLeftIsSkipped) {
  NetlinkTables tables(socket_.get());
  REEVE_ASSERT_OK(InterfacesNow(tables));
  struct {
    nlmsghdr header;
    rtgenmsg family;
  } other{{sizeof other, RTM_GETROUTE, NLM_F_REQUEST | NLM_F_DUMP, 777, 0}, {AF_INET}};
  ASSERT_EQ(::send(socket_.get(), &other, sizeof other, 0), ssize_t{sizeof other});
  uint8_t some[64];
  ASSERT_GT(::recv(socket_.get(), some, sizeof some, MSG_PEEK), 0);
  const auto interfaces = InterfacesNow(tables);
  REEVE_ASSERT_OK(interfaces);
  EXPECT_EQ(interfaces->at(0).name, "lo");
}

TEST_F(TablesTest, ARequestThatTheKernelRefusesIsAnError) {
  EXPECT_FALSE(NetlinkTables(socket_.get()).Dump(RTM_MAX + 1));
}

}  // namespace
}  // namespace reeve::inventory
