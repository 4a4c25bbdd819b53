#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/result.h"

namespace reeve::helpers {

struct User {
  std::string name;
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;  // empty until LookUpGroups
  std::string home;
};

// Looks a user up by whatever nsswitch.conf names: loads its modules, and waits as long as they do. kNotFound: there is none.
// Fails with kDenied when the name means somebody whom policy, which judged the name, could not know it to mean: a user who is
// called otherwise (a directory that does not tell Root from root), or root's number under another name.
Result<User> LookUpUser(const std::string& name);

// Fills in the groups as initgroups(3) would set them. It asks every source that nsswitch.conf names, also for a user of
// /etc/passwd, so it is only for who needs them.
Status LookUpGroups(User& user);

}  // namespace reeve::helpers
