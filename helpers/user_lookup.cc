#include "helpers/user_lookup.h"

#include <grp.h>
#include <pwd.h>

#include <cerrno>
#include <utility>

namespace reeve::helpers {
namespace {

constexpr int kMaxGroups = 65536;  // NGROUPS_MAX
constexpr uid_t kNoUid = static_cast<uid_t>(-1);
constexpr gid_t kNoGid = static_cast<gid_t>(-1);

// getpwnam(3) lists what an implementation may say when there is just no such user.
bool MeansNoSuchUser(int error_number) {
  return error_number == 0 || error_number == ENOENT || error_number == ESRCH || error_number == EBADF ||
         error_number == EPERM;
}

Status CheckName(const passwd& entry, const std::string& name) {
  const std::string what = "failed to lookup user '" + name + "': ";
  if (entry.pw_name != name) return Fail(Code::kDenied, what + "that is user '" + entry.pw_name + "'");
  if (entry.pw_uid == 0 && name != "root") return Fail(Code::kDenied, what + "that is root by another name");
  // setresuid(2) would change nothing.
  if (entry.pw_uid == kNoUid || entry.pw_gid == kNoGid) return Fail(Code::kDenied, what + "his number is nobody's");
  return {};
}

}  // namespace

Result<User> LookUpUser(const std::string& name) {
  errno = 0;
  const passwd* const found = ::getpwnam(name.c_str());
  const int error_number = errno;
  if (found == nullptr && MeansNoSuchUser(error_number))
    return Fail(Code::kNotFound, "failed to lookup user '" + name + "': no such user");
  if (found == nullptr) return Fail(Error::System(error_number, "failed to lookup user '" + name + "'"));
  REEVE_TRY(CheckName(*found, name));
  return User{.name = name,
              .uid = found->pw_uid,
              .gid = found->pw_gid,
              .groups = {},
              .home = found->pw_dir == nullptr ? "" : found->pw_dir};
}

Status LookUpGroups(User& user) {
  int count = 64;
  std::vector<gid_t> groups(static_cast<size_t>(count));
  while (::getgrouplist(user.name.c_str(), user.gid, groups.data(), &count) < 0) {
    if (count > kMaxGroups || static_cast<size_t>(count) <= groups.size())
      return Fail(Code::kSystem, "the groups of user '" + user.name + "' cannot be looked up");
    groups.resize(static_cast<size_t>(count));
  }
  groups.resize(static_cast<size_t>(count));
  user.groups = std::move(groups);
  return {};
}

}  // namespace reeve::helpers
