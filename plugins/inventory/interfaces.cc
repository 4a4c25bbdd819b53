#include "plugins/inventory/interfaces.h"

#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <unordered_map>

namespace reeve::inventory {
namespace {

using inventory_manifest::GuestIpAddress;
using inventory_manifest::GuestIpAddressType;
using inventory_manifest::GuestNetworkInterface;
using inventory_manifest::GuestNetworkInterfaceStat;

constexpr size_t kHardwareAddressBytes = 6;

// Shorter ones are filled with zeros, longer ones cut: what SIOCGIFHWADDR shows of the first six bytes.
std::string HardwareAddressOf(Bytes address) {
  uint8_t bytes[kHardwareAddressBytes] = {};
  std::ranges::copy(address.first(std::min(address.size(), sizeof bytes)), bytes);
  char text[3 * kHardwareAddressBytes];
  std::snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", bytes[0], bytes[1], bytes[2], bytes[3], bytes[4],
                bytes[5]);
  return text;
}

// As /proc/net/dev counts: what was missed for want of a buffer is dropped too.
GuestNetworkInterfaceStat StatisticsOf(Bytes counters) {
  rtnl_link_stats64 stats{};
  if (!counters.empty()) std::memcpy(&stats, counters.data(), std::min(counters.size(), sizeof stats));
  return {.tx_packets = stats.tx_packets,
          .tx_errs = stats.tx_errors,
          .rx_bytes = stats.rx_bytes,
          .rx_dropped = stats.rx_dropped + stats.rx_missed_errors,
          .rx_packets = stats.rx_packets,
          .rx_errs = stats.rx_errors,
          .tx_bytes = stats.tx_bytes,
          .tx_dropped = stats.tx_dropped};
}

struct Address {
  int link_index = 0;
  std::string label;  // empty: the link's own name
  GuestIpAddress address;
};

std::optional<Address> AddressOf(Bytes payload) {
  ifaddrmsg fixed;
  if (payload.size() < sizeof fixed) return std::nullopt;
  std::memcpy(&fixed, payload.data(), sizeof fixed);
  Bytes local;
  Bytes peer;  // the address itself where the link has no peer
  Address found;
  for (const NetlinkAttribute& attribute : AttributesIn(payload, sizeof fixed)) {
    if (attribute.type == IFA_LOCAL) local = attribute.value;
    if (attribute.type == IFA_ADDRESS) peer = attribute.value;
    if (attribute.type == IFA_LABEL) found.label = TextOf(attribute.value);
  }
  const Bytes bytes = local.empty() ? peer : local;
  const bool is_ipv4 = fixed.ifa_family == AF_INET;
  if (!is_ipv4 && fixed.ifa_family != AF_INET6) return std::nullopt;
  if (bytes.size() != (is_ipv4 ? sizeof(in_addr) : sizeof(in6_addr))) return std::nullopt;
  char text[INET6_ADDRSTRLEN];
  ::inet_ntop(fixed.ifa_family, bytes.data(), text, sizeof text);
  found.link_index = static_cast<int>(fixed.ifa_index);
  found.address = {.ip_address_type = is_ipv4 ? GuestIpAddressType::kIpv4 : GuestIpAddressType::kIpv6,
                   .ip_address = text,
                   .prefix = fixed.ifa_prefixlen};
  return found;
}

// The list as it grows.
class Builder {
 public:
  void AddLink(Bytes payload) {
    ifinfomsg fixed;
    if (payload.size() < sizeof fixed) return;
    std::memcpy(&fixed, payload.data(), sizeof fixed);
    Bytes address;
    Link link;
    for (const NetlinkAttribute& attribute : AttributesIn(payload, sizeof fixed)) {
      if (attribute.type == IFLA_IFNAME) link.name = TextOf(attribute.value);
      if (attribute.type == IFLA_ADDRESS) address = attribute.value;
      if (attribute.type == IFLA_STATS64) link.counters = attribute.value;
    }
    if (link.name.empty()) return;
    GuestNetworkInterface& interface = EntryOf(link.name);
    interface.hardware_address = HardwareAddressOf(address);
    counters_[link.name] = link.counters;
    names_[fixed.ifi_index] = link.name;
  }

  void AddAddress(Address address) {
    const auto link = names_.find(address.link_index);
    if (link == names_.end()) return;  // it came between the two answers
    const std::string& name = address.label.empty() ? link->second : address.label;
    GuestNetworkInterface& interface = EntryOf(name);
    if (!interface.hardware_address) interface.hardware_address = HardwareAddressBehind(name);
    if (!interface.ip_addresses) interface.ip_addresses.emplace();
    interface.ip_addresses->push_back(std::move(address.address));
    const auto counters = counters_.find(name);
    if (counters != counters_.end() && !interface.statistics) interface.statistics = StatisticsOf(counters->second);
  }

  std::vector<GuestNetworkInterface> Take() { return std::move(interfaces_); }

 private:
  struct Link {
    std::string name;
    Bytes counters;
  };

  GuestNetworkInterface& EntryOf(const std::string& name) {
    const auto [place, is_new] = places_.emplace(name, interfaces_.size());
    if (is_new) {
      interfaces_.emplace_back();
      interfaces_.back().name = name;
    }
    return interfaces_[place->second];
  }
  // The kernel takes a label for the link before its colon.
  std::optional<std::string> HardwareAddressBehind(const std::string& label) {
    const auto place = places_.find(label.substr(0, label.find(':')));
    return place == places_.end() ? std::nullopt : interfaces_[place->second].hardware_address;
  }

  std::vector<GuestNetworkInterface> interfaces_;
  std::unordered_map<std::string, size_t> places_;
  std::unordered_map<std::string, Bytes> counters_;
  std::unordered_map<int, std::string> names_;
};

}  // namespace

std::vector<GuestNetworkInterface> InterfacesIn(Bytes links, Bytes addresses) {
  Builder builder;
  for (const NetlinkMessage& message : MessagesIn(links)) {
    if (message.header.nlmsg_type == RTM_NEWLINK) builder.AddLink(message.payload);
  }
  for (const NetlinkMessage& message : MessagesIn(addresses)) {
    if (message.header.nlmsg_type != RTM_NEWADDR) continue;
    if (auto address = AddressOf(message.payload)) builder.AddAddress(std::move(*address));
  }
  return builder.Take();
}

Result<std::vector<GuestNetworkInterface>> InterfacesNow(NetlinkTables& tables) {
  const std::vector<uint8_t> links = REEVE_TRY(tables.Dump(RTM_GETLINK));
  const std::vector<uint8_t> addresses = REEVE_TRY(tables.Dump(RTM_GETADDR));
  return InterfacesIn(links, addresses);
}

}  // namespace reeve::inventory
