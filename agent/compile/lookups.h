#pragma once

#include <map>
#include <string>
#include <vector>

#include "agent/config/config.h"
#include "base/result.h"
#include "policy/policy.h"

// What a configuration names on the machine, and its numbers.
//
// Users are looked up by reeve-resolve, which alone may load what nsswitch.conf names. It reads lines and
// answers each with one:
//   user NAME      ->  user NAME UID GID GROUP,GROUP,... HOME    or  user NAME -
//   uid NUMBER     ->  uid NUMBER NAME                           or  uid NUMBER -

namespace reeve::compile {

// Who answers slower than this hangs on a directory server, and whoever waits ends it.
inline constexpr int kResolveTimeoutS = 5;
inline constexpr size_t kMaxLookupBytes = 1 << 20;

struct Lookups {
  std::map<std::string, policy::RunAs> users;
  std::map<uint32_t, std::string> taken_uids;  // numbers that passwd knows, with their names
};

// The lines for reeve-resolve; empty when there is nothing to ask.
std::string LookupLines(const config::Config& config);
// `answers` are not trusted to be well formed: kBadMessage.
Result<Lookups> ParseLookups(std::string_view answers);
// Fills every RunAs and, unless the configuration is unprivileged and uses none, refuses uids of the range that somebody has.
// A program rule that a profile gives a plugin is dropped where its user is not there.
// One line for each thing that is wrong.
std::vector<std::string> Apply(const Lookups& lookups, config::Config& config);

// Where each rule's program stands now. A program that is not there leaves its identity empty.
void ResolvePrograms(policy::Policy& policy, std::vector<std::string>& warnings);

}  // namespace reeve::compile
