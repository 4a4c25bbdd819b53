#include "agent/compile/resolve.h"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

namespace reeve::compile {
namespace {

constexpr int kMaxGroups = 65536;  // NGROUPS_MAX

std::string Groups(const passwd& user) {
  int count = 64;
  std::vector<gid_t> groups(static_cast<size_t>(count));
  while (::getgrouplist(user.pw_name, user.pw_gid, groups.data(), &count) < 0 && count <= kMaxGroups) {
    groups.resize(static_cast<size_t>(count));
  }
  groups.resize(static_cast<size_t>(count));
  std::string text;
  for (gid_t group : groups) text += (text.empty() ? "" : ",") + std::to_string(group);
  return text;
}

std::string AnswerUser(const std::string& name) {
  const passwd* user = ::getpwnam(name.c_str());
  if (user == nullptr) return "user " + name + " -\n";
  const std::string home = user->pw_dir != nullptr && user->pw_dir[0] == '/' ? user->pw_dir : "/";
  return "user " + name + " " + std::to_string(user->pw_uid) + " " + std::to_string(user->pw_gid) + " " +
         Groups(*user) + " " + home + "\n";
}

std::string AnswerUid(const std::string& number) {
  const passwd* user = ::getpwuid(static_cast<uid_t>(std::strtoul(number.c_str(), nullptr, 10)));
  return "uid " + number + " " + (user == nullptr ? "-" : user->pw_name) + "\n";
}

std::string Answer(std::string_view line) {
  const size_t space = std::min(line.find(' '), line.size());
  const std::string_view kind = line.substr(0, space);
  const std::string what(line.substr(std::min(space + 1, line.size())));
  if (kind == "user") return AnswerUser(what);
  if (kind == "uid") return AnswerUid(what);
  return "";
}

}  // namespace

std::string Resolve(std::string_view lines) {
  std::string answers;
  for (size_t begin = 0; begin < lines.size();) {
    const size_t end = std::min(lines.find('\n', begin), lines.size());
    answers += Answer(lines.substr(begin, end - begin));
    begin = end + 1;
  }
  return answers;
}

}  // namespace reeve::compile
