#include "agent/warden/become_user.h"

#include <grp.h>
#include <unistd.h>

#include <string>
#include <vector>

namespace reeve::warden {

Status BecomeUser(uid_t uid, gid_t gid, std::span<const uint32_t> groups) {
  if (uid == ::geteuid() && uid != 0) return {};
  const std::string tried = "become user " + std::to_string(uid);
  const std::vector<gid_t> group_list(groups.begin(), groups.end());
  if (::setgroups(group_list.size(), group_list.data()) != 0) return FailErrno(tried + ": set groups");
  if (::setresgid(gid, gid, gid) != 0) return FailErrno(tried + ": set group");
  if (::setresuid(uid, uid, uid) != 0) return FailErrno(tried);
  if (uid != 0 && ::setresuid(0, 0, 0) == 0) return Fail(Code::kSystem, tried + ": root could be regained");
  return {};
}

}  // namespace reeve::warden
