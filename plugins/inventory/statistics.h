#pragma once

#include <string_view>
#include <vector>

#include "base/result.h"
#include "inventory_commands.hpp"

// What the kernel counts, out of /proc.

namespace reeve::inventory {

// /proc/loadavg.
Result<inventory_manifest::GuestLoadAverage> LoadIn(std::string_view loadavg);

// /proc/stat: a row for each processor, in milliseconds; `ticks_per_second` is the kernel's unit. Of an older kernel the
// later members are absent.
std::vector<inventory_manifest::GuestCpuStats> CpuStatsIn(std::string_view stat, uint64_t ticks_per_second);

// /proc/diskstats: every row of at least 14 columns. Later kernels have more.
std::vector<inventory_manifest::GuestDiskStatsInfo> DiskStatsIn(std::string_view diskstats);

}  // namespace reeve::inventory
