#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace reeve::inventory {

// A row of /proc/net/dev.
struct NetworkCounters {
  struct Direction {
    uint64_t bytes = 0;
    uint64_t packets = 0;
    uint64_t errors = 0;
    uint64_t dropped = 0;
  };
  std::string interface;
  Direction received;
  Direction sent;
};

// In the kernel's order. What is no row of counters, as the two lines of headings, is left out.
std::vector<NetworkCounters> NetworkCountersIn(std::string_view net_dev);

}  // namespace reeve::inventory
