#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "inventory_commands.hpp"
#include "plugins/inventory/granted_path.h"

// Who is logged in, by utmp(5).

namespace reeve::inventory {

// Some 40,000 records.
inline constexpr size_t kMaxUtmpBytes = 16 << 20;

// Each user once, in the order of their first record, with the earliest login. A record that is cut is not one.
std::vector<inventory_manifest::GuestUser> UsersIn(Bytes utmp);

class LoggedInUsers {
 public:
  // `on_outdated` is called at each answer while a file stands there that came after this process.
  explicit LoggedInUsers(std::function<void()> on_outdated, std::string utmp = "/run/utmp")
      : on_outdated_(std::move(on_outdated)), utmp_(std::move(utmp)) {}
  // Good until the next call. Nobody where there is no utmp; of one that came after this process and cannot be read who
  // was logged in by the one before.
  Result<const std::vector<inventory_manifest::GuestUser>*> Now();

 private:
  std::function<void()> on_outdated_;
  GrantedPath utmp_;
  std::vector<inventory_manifest::GuestUser> users_;
};

}  // namespace reeve::inventory
