#include "plugins/inventory/time_zone.h"

#include <sys/time.h>

#include <ctime>

#include "base/sys.h"

namespace reeve::inventory {

using inventory_manifest::GuestTimezone;

Result<GuestTimezone> TimeZoneNow() {
  // The C library would take UTC, and tell nobody.
  const Result<UniqueFd> file = sys::Open("/etc/localtime", O_RDONLY);
  if (!file && file.error().code() != Code::kNotFound) return Fail(file.error());
  const time_t now = ::time(nullptr);
  tm local{};
  ::tzset();  // localtime_r alone would read the zone once for all time
  if (::localtime_r(&now, &local) == nullptr) return FailErrno("tell the local time");
  return GuestTimezone{.zone = local.tm_zone, .offset = local.tm_gmtoff};
}

int64_t TimeNow() {
  timeval now{};
  ::gettimeofday(&now, nullptr);
  return (int64_t{now.tv_sec} * 1'000'000 + now.tv_usec) * 1000;
}

}  // namespace reeve::inventory
