#pragma once

#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "inventory_commands.hpp"
#include "plugins/inventory/netlink_dump.h"

namespace reeve::inventory {

// Out of the kernel's links and addresses (RTM_NEWLINK and RTM_NEWADDR messages, one behind the other): an entry for each
// link in the kernel's order, then one for each label that is no link's name. Addresses in the kernel's order, IPv4 before
// IPv6. Addresses and statistics are there only when there is an address, and statistics only for links.
std::vector<inventory_manifest::GuestNetworkInterface> InterfacesIn(Bytes links, Bytes addresses);

// Of the network that the tables' socket was made in.
Result<std::vector<inventory_manifest::GuestNetworkInterface>> InterfacesNow(NetlinkTables& tables);

}  // namespace reeve::inventory
