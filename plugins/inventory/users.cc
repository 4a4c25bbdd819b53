#include "plugins/inventory/users.h"

#include <utmp.h>

#include <cstring>
#include <unordered_map>

namespace reeve::inventory {

using inventory_manifest::GuestUser;

std::vector<GuestUser> UsersIn(Bytes utmp) {
  std::vector<GuestUser> users;
  std::unordered_map<std::string, size_t> places;
  for (; utmp.size() >= sizeof(::utmp); utmp = utmp.subspan(sizeof(::utmp))) {
    ::utmp record;
    std::memcpy(&record, utmp.data(), sizeof record);
    if (record.ut_type != USER_PROCESS) continue;
    // A name of full length has no zero behind it.
    const std::string name(record.ut_user, ::strnlen(record.ut_user, sizeof record.ut_user));
    const double login = static_cast<double>(record.ut_tv.tv_sec) + static_cast<double>(record.ut_tv.tv_usec) / 1e6;
    const auto [place, is_new] = places.emplace(name, users.size());
    if (is_new) users.push_back({.login_time = login, .user = name});
    GuestUser& user = users[place->second];
    user.login_time = std::min(user.login_time, login);
  }
  return users;
}

Result<const std::vector<GuestUser>*> LoggedInUsers::Now() {
  const bool is_outdated = utmp_.IsOutdated();
  if (is_outdated) on_outdated_();
  const Result<std::string> file = utmp_.ReadFile(kMaxUtmpBytes);
  if (!file && is_outdated && file.error().code() == Code::kDenied) return &users_;
  users_.clear();
  if (file) users_ = UsersIn(AsBytes(*file));
  if (!file && file.error().code() != Code::kNotFound) return Fail(file.error());
  return &users_;
}

}  // namespace reeve::inventory
