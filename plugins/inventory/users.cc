#include "plugins/inventory/users.h"

#include <utmp.h>

#include <cstring>
#include <unordered_map>

#include "base/sys.h"

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

Result<std::vector<GuestUser>> UsersNow() {
  const Result<std::string> file = sys::ReadFile(kUtmpPath, kMaxUtmpBytes);
  if (file) return UsersIn(AsBytes(*file));
  if (file.error().code() == Code::kNotFound) return std::vector<GuestUser>();
  return Fail(file.error());
}

}  // namespace reeve::inventory
