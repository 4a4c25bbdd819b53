#include "plugins/inventory/metrics.h"

#include <algorithm>
#include <functional>
#include <span>

#include "plugins/inventory/open_metrics.h"
#include "plugins/inventory/text_table.h"

namespace reeve::inventory {
namespace {

using namespace inventory_manifest;
using Type = OpenMetrics::Type;

constexpr uint64_t kSectorBytes = 512;  // of /proc/diskstats, whatever the disk has
constexpr unsigned kMilli = 3;
constexpr unsigned kMicro = 6;

template <typename T>
std::span<const T> First(const std::vector<T>& rows) {
  return std::span(rows).first(std::min(rows.size(), kMaxMetricRows));
}

void AddMemory(OpenMetrics& metrics, const InventoryMemoryInfo& memory) {
  const std::pair<const char*, std::optional<uint64_t>> amounts[] = {
      {"node_memory_MemTotal_bytes", memory.total},         {"node_memory_MemFree_bytes", memory.free},
      {"node_memory_MemAvailable_bytes", memory.available}, {"node_memory_Buffers_bytes", memory.buffers},
      {"node_memory_Cached_bytes", memory.cached},          {"node_memory_SwapTotal_bytes", memory.swap_total},
      {"node_memory_SwapFree_bytes", memory.swap_free}};
  for (const auto& [name, bytes] : amounts) {
    metrics.BeginFamily(name, Type::kGauge, "bytes");
    if (bytes) metrics.Add({}, *bytes);
  }
}

void AddPressure(OpenMetrics& metrics, const std::string& of, const std::optional<InventoryPressureOf>& pressure) {
  if (!pressure) return;
  metrics.BeginFamily("node_pressure_" + of + "_waiting_seconds", Type::kCounter, "seconds");
  metrics.AddDecimal({}, pressure->some.total_us, kMicro);
  // The kernel's line `full` of the processors says nothing for the whole machine.
  if (of == "cpu" || !pressure->full) return;
  metrics.BeginFamily("node_pressure_" + of + "_stalled_seconds", Type::kCounter, "seconds");
  metrics.AddDecimal({}, pressure->full->total_us, kMicro);
}

void AddLoad(OpenMetrics& metrics, const GuestLoadAverage& load) {
  const std::pair<const char*, double> averages[] = {
      {"node_load1", load.load1m}, {"node_load5", load.load5m}, {"node_load15", load.load15m}};
  for (const auto& [name, average] : averages) {
    metrics.BeginFamily(name, Type::kGauge);
    metrics.Add({}, average);
  }
}

void AddProcessors(OpenMetrics& metrics, std::span<const GuestCpuStats> processors) {
  metrics.BeginFamily("node_cpu_seconds", Type::kCounter, "seconds");
  for (const GuestCpuStats& row : processors) {
    const std::string cpu = std::to_string(row.cpu);
    const std::pair<const char*, std::optional<uint64_t>> modes[] = {
        {"idle", row.idle},       {"iowait", row.iowait}, {"irq", row.irq},       {"nice", row.nice},
        {"softirq", row.softirq}, {"steal", row.steal},   {"system", row.system}, {"user", row.user}};
    for (const auto& [mode, milliseconds] : modes) {
      if (milliseconds) metrics.AddDecimal({{"cpu", cpu}, {"mode", mode}}, *milliseconds, kMilli);
    }
  }
  metrics.BeginFamily("node_cpu_guest_seconds", Type::kCounter, "seconds");
  for (const GuestCpuStats& row : processors) {
    const std::string cpu = std::to_string(row.cpu);
    if (row.guest) metrics.AddDecimal({{"cpu", cpu}, {"mode", "user"}}, *row.guest, kMilli);
    if (row.guestnice) metrics.AddDecimal({{"cpu", cpu}, {"mode", "nice"}}, *row.guestnice, kMilli);
  }
}

// What one column of /proc/diskstats becomes.
struct DiskFamily {
  const char* name;
  std::optional<uint64_t> GuestDiskStats::* column;
  enum class Kind : uint8_t { kCount, kSectors, kMilliseconds, kNow } kind;
};
using Kind = DiskFamily::Kind;
constexpr DiskFamily kDiskFamilies[] = {
    {"node_disk_reads_completed", &GuestDiskStats::read_ios, Kind::kCount},
    {"node_disk_reads_merged", &GuestDiskStats::read_merges, Kind::kCount},
    {"node_disk_read_bytes", &GuestDiskStats::read_sectors, Kind::kSectors},
    {"node_disk_read_time_seconds", &GuestDiskStats::read_ticks, Kind::kMilliseconds},
    {"node_disk_writes_completed", &GuestDiskStats::write_ios, Kind::kCount},
    {"node_disk_writes_merged", &GuestDiskStats::write_merges, Kind::kCount},
    {"node_disk_written_bytes", &GuestDiskStats::write_sectors, Kind::kSectors},
    {"node_disk_write_time_seconds", &GuestDiskStats::write_ticks, Kind::kMilliseconds},
    {"node_disk_io_now", &GuestDiskStats::ios_pgr, Kind::kNow},
    {"node_disk_io_time_seconds", &GuestDiskStats::total_ticks, Kind::kMilliseconds},
    {"node_disk_io_time_weighted_seconds", &GuestDiskStats::weight_ticks, Kind::kMilliseconds},
    {"node_disk_discards_completed", &GuestDiskStats::discard_ios, Kind::kCount},
    {"node_disk_discards_merged", &GuestDiskStats::discard_merges, Kind::kCount},
    {"node_disk_discarded_sectors", &GuestDiskStats::discard_sectors, Kind::kCount},
    {"node_disk_discard_time_seconds", &GuestDiskStats::discard_ticks, Kind::kMilliseconds},
    {"node_disk_flush_requests", &GuestDiskStats::flush_ios, Kind::kCount},
    {"node_disk_flush_requests_time_seconds", &GuestDiskStats::flush_ticks, Kind::kMilliseconds}};

const char* UnitOf(Kind kind) {
  if (kind == Kind::kSectors) return "bytes";
  return kind == Kind::kMilliseconds ? "seconds" : "";
}

void AddDisks(OpenMetrics& metrics, std::span<const GuestDiskStatsInfo> disks) {
  for (const DiskFamily& family : kDiskFamilies) {
    metrics.BeginFamily(family.name, family.kind == Kind::kNow ? Type::kGauge : Type::kCounter, UnitOf(family.kind));
    for (const GuestDiskStatsInfo& disk : disks) {
      const std::optional<uint64_t> value = disk.stats.*family.column;
      if (!value) continue;
      if (family.kind == Kind::kSectors) {
        metrics.Add({{"device", disk.name}}, *value * kSectorBytes);
      } else {
        metrics.AddDecimal({{"device", disk.name}}, *value, family.kind == Kind::kMilliseconds ? kMilli : 0);
      }
    }
  }
}

void AddInterfaces(OpenMetrics& metrics, std::span<const NetworkCounters> interfaces) {
  using Direction = NetworkCounters::Direction;
  const std::pair<const char*, Direction NetworkCounters::*> directions[] = {{"receive", &NetworkCounters::received},
                                                                             {"transmit", &NetworkCounters::sent}};
  const std::pair<const char*, uint64_t Direction::*> counters[] = {{"bytes", &Direction::bytes},
                                                                    {"packets", &Direction::packets},
                                                                    {"errs", &Direction::errors},
                                                                    {"drop", &Direction::dropped}};
  for (const auto& [word, direction] : directions) {
    for (const auto& [name, counter] : counters) {
      const bool is_bytes = counter == &Direction::bytes;
      metrics.BeginFamily(std::string("node_network_") + word + "_" + name, Type::kCounter, is_bytes ? "bytes" : "");
      for (const NetworkCounters& row : interfaces) metrics.Add({{"device", row.interface}}, row.*direction.*counter);
    }
  }
}

void AddFileSystems(OpenMetrics& metrics, std::span<const storage::Mount> mounts, const UsageReader::Usages& usages) {
  const std::pair<const char*, uint64_t (*)(const Usage&)> families[] = {
      {"node_filesystem_size_bytes", [](const Usage& usage) { return usage.total_bytes_privileged; }},
      {"node_filesystem_free_bytes",
       [](const Usage& usage) { return usage.total_bytes_privileged - usage.used_bytes; }},
      {"node_filesystem_avail_bytes", [](const Usage& usage) { return usage.total_bytes - usage.used_bytes; }}};
  for (const auto& [name, bytes] : families) {
    metrics.BeginFamily(name, Type::kGauge, "bytes");
    for (size_t i = 0; i < mounts.size() && i < usages.size(); ++i) {
      const storage::Mount& mount = mounts[i];
      if (!usages[i]) continue;
      metrics.Add({{"device", mount.source}, {"fstype", mount.type}, {"mountpoint", mount.mountpoint}},
                  bytes(*usages[i]));
    }
  }
}

}  // namespace

std::optional<uint64_t> BootTimeIn(std::string_view stat) {
  for (const std::string_view line : Lines(stat)) {
    const std::vector<std::string_view> words = Words(line);
    if (words.size() == 2 && words[0] == "btime") return NumberOf<uint64_t>(words[1]);
  }
  return std::nullopt;
}

std::string MetricsText(const Measurements& measurements) {
  OpenMetrics metrics;
  if (measurements.memory) AddMemory(metrics, *measurements.memory);
  if (measurements.memory && measurements.memory->pressure) {
    AddPressure(metrics, "cpu", measurements.memory->pressure->cpu);
    AddPressure(metrics, "io", measurements.memory->pressure->io);
    AddPressure(metrics, "memory", measurements.memory->pressure->memory);
  }
  if (measurements.load) AddLoad(metrics, *measurements.load);
  metrics.BeginFamily("node_boot_time_seconds", Type::kGauge, "seconds");
  if (measurements.boot_time_s) metrics.Add({}, *measurements.boot_time_s);
  AddProcessors(metrics, First(measurements.processors));
  AddDisks(metrics, First(measurements.disks));
  AddInterfaces(metrics, First(measurements.interfaces));
  AddFileSystems(metrics, First(measurements.mounts), measurements.usages);
  return metrics.Finish();
}

}  // namespace reeve::inventory
