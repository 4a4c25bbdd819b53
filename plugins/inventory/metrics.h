#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "inventory_commands.hpp"
#include "plugins/inventory/network_counters.h"
#include "plugins/inventory/usage_reader.h"
#include "storage/mounts.h"

namespace reeve::inventory {

// The numbers of one moment. What is absent or empty could not be had.
struct Measurements {
  std::optional<inventory_manifest::InventoryMemoryInfo> memory;  // with `pressure`
  std::optional<inventory_manifest::GuestLoadAverage> load;
  std::optional<uint64_t> boot_time_s;  // since 1970
  std::vector<inventory_manifest::GuestCpuStats> processors;
  std::vector<inventory_manifest::GuestDiskStatsInfo> disks;
  std::vector<NetworkCounters> interfaces;
  std::vector<storage::Mount> mounts;
  UsageReader::Usages usages;  // of the mounts
};

// `btime` of /proc/stat.
std::optional<uint64_t> BootTimeIn(std::string_view stat);

// As OpenMetrics text, under the names that Prometheus' node exporter has for them, so that its dashboards serve here too.
// Of each table the first kMaxMetricRows rows.
std::string MetricsText(const Measurements& measurements);

// Keeps a reply below 3 MiB, which libvirt takes.
inline constexpr size_t kMaxMetricRows = 1000;

}  // namespace reeve::inventory
