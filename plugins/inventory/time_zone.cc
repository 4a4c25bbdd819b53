#include "plugins/inventory/time_zone.h"

#include <sys/time.h>

#include <ctime>

namespace reeve::inventory {

inventory_manifest::GuestTimezone TimeZoneNow() {
  const time_t now = ::time(nullptr);
  tm local{};
  ::tzset();  // localtime_r alone would read the zone once for all time
  if (::localtime_r(&now, &local) == nullptr) return {.zone = {}, .offset = 0};
  return {.zone = local.tm_zone, .offset = local.tm_gmtoff};
}

int64_t TimeNow() {
  timeval now{};
  ::gettimeofday(&now, nullptr);
  return (int64_t{now.tv_sec} * 1'000'000 + now.tv_usec) * 1000;
}

}  // namespace reeve::inventory
