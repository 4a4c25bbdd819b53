#include <algorithm>

#include "base/bytes.h"
#include "base/check.h"
#include "plugins/inventory/memory_status.h"
#include "plugins/inventory/metrics.h"
#include "plugins/inventory/network_counters.h"
#include "plugins/inventory/os_release.h"
#include "plugins/inventory/routes.h"
#include "plugins/inventory/statistics.h"
#include "plugins/inventory/users.h"

// What the inventory reads of files: os-release, utmp, and tables of /proc. None of them may make more of a text than it
// has lines.

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace reeve::inventory;
  const reeve::Bytes bytes(data, size);
  const std::string_view text = reeve::AsText(bytes);
  const auto lines = static_cast<size_t>(std::count(text.begin(), text.end(), '\n')) + 1;
  for (const auto& [key, value] : ParseOsRelease(text)) REEVE_CHECK(key.size() + value.size() <= size);
  REEVE_CHECK(ParseOsRelease(text).size() <= lines);
  REEVE_CHECK(RoutesIn(text).size() <= lines);
  REEVE_CHECK(Ipv6RoutesIn(text).size() <= lines);
  REEVE_CHECK(CpuStatsIn(text, 100).size() <= lines);
  REEVE_CHECK(DiskStatsIn(text).size() <= lines);
  REEVE_CHECK(UsersIn(bytes).size() <= size / 64);
  REEVE_CHECK(NetworkCountersIn(text).size() <= lines);
  (void)LoadIn(text);
  (void)MemoryIn(text);
  (void)PressureIn(text);
  (void)BootTimeIn(text);
  return 0;
}
