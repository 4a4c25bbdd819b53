#include "plugins/inventory/statistics.h"

#include "plugins/inventory/text_table.h"

namespace reeve::inventory {
namespace {

using inventory_manifest::GuestCpuStats;
using inventory_manifest::GuestDiskStats;
using inventory_manifest::GuestDiskStatsInfo;
using inventory_manifest::GuestLoadAverage;

using DiskMember = std::optional<uint64_t> GuestDiskStats::*;
// In the order of the columns behind the name.
constexpr DiskMember kDiskColumns[] = {
    &GuestDiskStats::read_ios,       &GuestDiskStats::read_merges,     &GuestDiskStats::read_sectors,
    &GuestDiskStats::read_ticks,     &GuestDiskStats::write_ios,       &GuestDiskStats::write_merges,
    &GuestDiskStats::write_sectors,  &GuestDiskStats::write_ticks,     &GuestDiskStats::ios_pgr,
    &GuestDiskStats::total_ticks,    &GuestDiskStats::weight_ticks,    &GuestDiskStats::discard_ios,
    &GuestDiskStats::discard_merges, &GuestDiskStats::discard_sectors, &GuestDiskStats::discard_ticks,
    &GuestDiskStats::flush_ios,      &GuestDiskStats::flush_ticks};
constexpr size_t kDiskColumnsBefore = 3;
constexpr size_t kLeastDiskColumns = 14;

constexpr size_t kLeastCpuColumns = 5;

}  // namespace

Result<GuestLoadAverage> LoadIn(std::string_view loadavg) {
  const std::vector<std::string_view> words = Words(loadavg);
  std::optional<double> loads[3];
  for (size_t i = 0; i < 3 && i < words.size(); ++i) {
    double value = 0;
    const auto read = std::from_chars(words[i].data(), words[i].data() + words[i].size(), value);
    if (read.ec == std::errc()) loads[i] = value;
  }
  if (!loads[0] || !loads[1] || !loads[2]) return Fail(Code::kUnsupported, "cannot query load average");
  return GuestLoadAverage{.load15m = *loads[2], .load5m = *loads[1], .load1m = *loads[0]};
}

std::vector<GuestCpuStats> CpuStatsIn(std::string_view stat, uint64_t ticks_per_second) {
  std::vector<GuestCpuStats> rows;
  for (const std::string_view line : Lines(stat)) {
    if (!line.starts_with("cpu")) continue;
    const std::vector<std::string_view> words = Words(line);
    const auto cpu = NumberOf<int64_t>(words[0].substr(3));
    if (!cpu || words.size() < kLeastCpuColumns) continue;  // the row of all processors has no number
    const auto milliseconds = [&](size_t column) -> std::optional<uint64_t> {
      if (column >= words.size()) return std::nullopt;
      const auto ticks = NumberOf<uint64_t>(words[column]);
      return ticks ? std::optional(*ticks * 1000 / ticks_per_second) : std::nullopt;
    };
    rows.push_back({.cpu = *cpu,
                    .guestnice = milliseconds(10),
                    .idle = milliseconds(4).value_or(0),
                    .steal = milliseconds(8),
                    .iowait = milliseconds(5),
                    .system = milliseconds(3).value_or(0),
                    .guest = milliseconds(9),
                    .nice = milliseconds(2).value_or(0),
                    .irq = milliseconds(6),
                    .type = inventory_manifest::GuestCpuStatsType::kLinux,
                    .user = milliseconds(1).value_or(0),
                    .softirq = milliseconds(7)});
  }
  return rows;
}

std::vector<GuestDiskStatsInfo> DiskStatsIn(std::string_view diskstats) {
  std::vector<GuestDiskStatsInfo> rows;
  for (const std::string_view line : Lines(diskstats)) {
    const std::vector<std::string_view> words = Words(line);
    if (words.size() < kLeastDiskColumns) continue;
    GuestDiskStatsInfo row;
    row.name = words[2];
    row.major = NumberOf<uint64_t>(words[0]).value_or(0);
    row.minor = NumberOf<uint64_t>(words[1]).value_or(0);
    for (size_t i = 0; i < std::size(kDiskColumns) && kDiskColumnsBefore + i < words.size(); ++i) {
      row.stats.*kDiskColumns[i] = NumberOf<uint64_t>(words[kDiskColumnsBefore + i]);
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace reeve::inventory
