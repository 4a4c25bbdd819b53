#pragma once

#include <string_view>
#include <vector>

#include "inventory_commands.hpp"

namespace reeve::inventory {

// /proc/net/route: the main table of IPv4.
std::vector<inventory_manifest::GuestNetworkRoute> RoutesIn(std::string_view route);
// /proc/net/ipv6_route: all tables of IPv6. A row that is not as the kernel writes it is left out, in both.
std::vector<inventory_manifest::GuestNetworkRoute> Ipv6RoutesIn(std::string_view ipv6_route);

}  // namespace reeve::inventory
