#include "plugins/inventory/time_zone.h"

#include <sys/time.h>

#include <ctime>

namespace reeve::inventory {

using inventory_manifest::GuestTimezone;

// Into the C library, which keeps it.
Status LocalTimeZone::Load() {
  const bool is_outdated = file_.IsOutdated();
  if (is_outdated) on_outdated_();
  // The C library would take UTC, and tell nobody.
  const Result<UniqueFd> file = file_.OpenFile();
  if (!file && is_outdated && is_loaded_ && file.error().code() == Code::kDenied) return {};
  if (!file && file.error().code() != Code::kNotFound) return Fail(file.error());
  ::tzset();  // localtime_r alone would read the zone once for all time
  is_loaded_ = true;
  return {};
}

Result<GuestTimezone> LocalTimeZone::Now() {
  REEVE_TRY(Load());
  const time_t now = ::time(nullptr);
  tm local{};
  if (::localtime_r(&now, &local) == nullptr) return FailErrno("tell the local time");
  return GuestTimezone{.zone = local.tm_zone, .offset = local.tm_gmtoff};
}

int64_t TimeNow() {
  timeval now{};
  ::gettimeofday(&now, nullptr);
  return (int64_t{now.tv_sec} * 1'000'000 + now.tv_usec) * 1000;
}

}  // namespace reeve::inventory
