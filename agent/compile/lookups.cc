#include "agent/compile/lookups.h"

#include <stdlib.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <set>

namespace reeve::compile {
namespace {

constexpr char kRoot[] = "root";

// Root is who it is on every machine, without asking.
policy::RunAs Root() {
  return {kRoot, 0, 0, {0}, "/root"};
}

template <typename Visit>
void EachRunAs(policy::Policy& policy, Visit visit) {
  policy::EachProgramRule(policy, [&](policy::ProgramRule& rule) { visit(rule.as, rule.origin); });
  policy::EachDirectory(policy, [&](policy::FileDirectory& directory) { visit(directory.as, directory.origin); });
}

std::set<uint32_t> Uids(const config::Config& config) {
  std::set<uint32_t> uids = {config.core.uid, config.log_process.uid};
  for (const config::Plugin& plugin : config.plugins) {
    if (plugin.sandbox.uid != 0) uids.insert(plugin.sandbox.uid);
  }
  for (uint32_t i = 0; i < config.program_uid_count; ++i) uids.insert(config.first_program_uid + i);
  return uids;
}

std::string_view TakeWord(std::string_view& line) {
  const size_t space = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, space);
  line.remove_prefix(std::min(space + 1, line.size()));
  return word;
}

bool ReadNumber(std::string_view text, uint32_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

bool ReadGroups(std::string_view text, std::vector<uint32_t>& groups) {
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    if (!ReadNumber(text.substr(0, comma), groups.emplace_back())) return false;
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return true;
}

Status ParseUser(std::string_view line, Lookups& lookups) {
  policy::RunAs user;
  user.name = TakeWord(line);
  if (line == "-") return {};
  const bool is_read = ReadNumber(TakeWord(line), user.uid) && ReadNumber(TakeWord(line), user.gid) &&
                       ReadGroups(TakeWord(line), user.groups);
  user.home = line;
  if (!is_read || user.name.empty() || !user.home.starts_with('/')) {
    return Fail(Code::kBadMessage, "an answer about user '" + user.name + "' is malformed");
  }
  lookups.users[user.name] = std::move(user);
  return {};
}

Status ParseUid(std::string_view line, Lookups& lookups) {
  uint32_t uid = 0;
  if (!ReadNumber(TakeWord(line), uid) || line.empty())
    return Fail(Code::kBadMessage, "an answer about a uid is malformed");
  if (line != "-") lookups.taken_uids[uid] = line;
  return {};
}

// A profile names users whom not every machine has (nobody): what would run as them is refused there, and the rest holds.
void DropRulesWithoutUser(const Lookups& lookups, policy::Policy& policy) {
  for (policy::PluginRules& plugin : policy.plugins) {
    std::erase_if(plugin.programs, [&](const policy::ProgramRule& rule) {
      return rule.is_of_profile && rule.as.name != kRoot && !lookups.users.contains(rule.as.name);
    });
  }
}

}  // namespace

std::string LookupLines(const config::Config& config) {
  std::string lines;
  std::set<std::string> names;
  policy::Policy policy = config.policy;
  EachRunAs(policy, [&](const policy::RunAs& as, const policy::Origin&) { names.insert(as.name); });
  names.erase(kRoot);
  for (const std::string& name : names) lines += "user " + name + "\n";
  for (uint32_t uid : Uids(config)) lines += "uid " + std::to_string(uid) + "\n";
  return lines;
}

Result<Lookups> ParseLookups(std::string_view answers) {
  Lookups lookups;
  while (!answers.empty()) {
    const size_t end = std::min(answers.find('\n'), answers.size());
    std::string_view line = answers.substr(0, end);
    answers.remove_prefix(std::min(end + 1, answers.size()));
    const std::string_view kind = TakeWord(line);
    if (kind == "user") {
      REEVE_TRY(ParseUser(line, lookups));
    } else if (kind == "uid") {
      REEVE_TRY(ParseUid(line, lookups));
    } else {
      return Fail(Code::kBadMessage, "an answer is about nothing that was asked");
    }
  }
  return lookups;
}

std::vector<std::string> Apply(const Lookups& lookups, config::Config& config) {
  std::vector<std::string> problems;
  DropRulesWithoutUser(lookups, config.policy);
  EachRunAs(config.policy, [&](policy::RunAs& as, const policy::Origin& origin) {
    const auto found = lookups.users.find(as.name);
    if (as.name == kRoot) {
      as = Root();
    } else if (found != lookups.users.end()) {
      as = found->second;
    } else {
      problems.push_back(origin.ToString() + ": there is no user '" + as.name + "' here");
    }
  });
  if (config.is_unprivileged) return problems;
  for (uint32_t uid : Uids(config)) {
    const auto taken = lookups.taken_uids.find(uid);
    if (taken == lookups.taken_uids.end()) continue;
    problems.push_back("uid-range: " + std::to_string(uid) + " belongs to user '" + taken->second + "'");
  }
  return problems;
}

void ResolvePrograms(policy::Policy& policy, std::vector<std::string>& warnings) {
  policy::EachProgramRule(policy, [&](policy::ProgramRule& rule) {
    if (rule.run == "*") return;
    const std::unique_ptr<char, void (*)(void*)> resolved(::realpath(rule.run.c_str(), nullptr), ::free);
    struct stat status;
    if (resolved != nullptr && ::stat(resolved.get(), &status) == 0 && S_ISREG(status.st_mode)) {
      rule.program = {resolved.get(), status.st_dev, status.st_ino};
    } else if (!rule.is_of_profile) {
      // What the profiles name, not every machine has.
      warnings.push_back(rule.origin.ToString() + ": rule '" + rule.name + "': no program " + rule.run + " here");
    }
  });
}

}  // namespace reeve::compile
