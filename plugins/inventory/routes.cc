#include "plugins/inventory/routes.h"

#include <arpa/inet.h>

#include <array>

#include "plugins/inventory/text_table.h"

namespace reeve::inventory {
namespace {

using inventory_manifest::GuestNetworkRoute;

// Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT
constexpr size_t kIpv4Columns = 11;
// destination, its prefix, source, its prefix, next hop, metric, references, use, flags, device
constexpr size_t kIpv6Columns = 10;

// The kernel prints the address as a number in the machine's own order.
std::optional<std::string> DottedOf(std::string_view digits) {
  const auto number = NumberOf<uint32_t>(digits, 16);
  if (!number) return std::nullopt;
  const in_addr address{*number};
  char text[INET_ADDRSTRLEN];
  return ::inet_ntop(AF_INET, &address, text, sizeof text);
}

std::optional<std::string> Ipv6Of(std::string_view digits) {
  in6_addr address{};
  if (digits.size() != 2 * sizeof address) return std::nullopt;
  for (size_t i = 0; i < sizeof address; ++i) {
    const auto byte = NumberOf<uint8_t>(digits.substr(2 * i, 2), 16);
    if (!byte) return std::nullopt;
    address.s6_addr[i] = *byte;
  }
  char text[INET6_ADDRSTRLEN];
  return ::inet_ntop(AF_INET6, &address, text, sizeof text);
}

std::optional<GuestNetworkRoute> RouteOf(const std::vector<std::string_view>& words) {
  if (words.size() < kIpv4Columns) return std::nullopt;
  const auto destination = DottedOf(words[1]);
  const auto metric = NumberOf<int64_t>(words[6]);
  if (!destination || !metric) return std::nullopt;  // also the line of titles
  GuestNetworkRoute route;
  route.version = 4;
  route.iface = words[0];
  route.destination = *destination;
  route.gateway = DottedOf(words[2]);
  route.flags = NumberOf<uint64_t>(words[3], 16);
  route.refcnt = NumberOf<int64_t>(words[4]);
  route.use = NumberOf<int64_t>(words[5]);
  route.metric = *metric;
  route.mask = DottedOf(words[7]);
  route.mtu = NumberOf<int64_t>(words[8]);
  route.window = NumberOf<int64_t>(words[9]);
  route.irtt = NumberOf<int64_t>(words[10]);
  return route;
}

std::optional<std::string> PrefixOf(std::string_view digits) {
  const auto length = NumberOf<unsigned>(digits, 16);
  return length ? std::optional(std::to_string(*length)) : std::nullopt;
}

std::optional<GuestNetworkRoute> Ipv6RouteOf(const std::vector<std::string_view>& words) {
  if (words.size() < kIpv6Columns) return std::nullopt;
  const auto destination = Ipv6Of(words[0]);
  const auto metric = NumberOf<int64_t>(words[5], 16);
  if (!destination || !metric) return std::nullopt;
  GuestNetworkRoute route;
  route.version = 6;
  route.destination = *destination;
  route.desprefixlen = PrefixOf(words[1]);
  route.source = Ipv6Of(words[2]);
  route.srcprefixlen = PrefixOf(words[3]);
  route.nexthop = Ipv6Of(words[4]);
  route.metric = *metric;
  route.refcnt = NumberOf<int64_t>(words[6], 16);
  route.use = NumberOf<int64_t>(words[7], 16);
  route.flags = NumberOf<uint64_t>(words[8], 16);
  route.iface = words[9];
  return route;
}

template <typename Read>
std::vector<GuestNetworkRoute> Rows(std::string_view table, Read read) {
  std::vector<GuestNetworkRoute> routes;
  for (const std::string_view line : Lines(table)) {
    if (auto route = read(Words(line))) routes.push_back(std::move(*route));
  }
  return routes;
}

}  // namespace

std::vector<GuestNetworkRoute> RoutesIn(std::string_view route) {
  return Rows(route, RouteOf);
}

std::vector<GuestNetworkRoute> Ipv6RoutesIn(std::string_view ipv6_route) {
  return Rows(ipv6_route, Ipv6RouteOf);
}

}  // namespace reeve::inventory
