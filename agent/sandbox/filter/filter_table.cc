#include "agent/sandbox/filter/filter_table.h"

#include <algorithm>
#include <cstring>

#include "agent/sandbox/filter/call_groups.h"
#include "agent/sandbox/filter/never_list.h"
#include "agent/sandbox/filter/program_tables.h"

namespace reeve::sandbox {
namespace {

using policy::Promise;
using policy::Role;

bool Has(const policy::SandboxProfile& profile, Promise promise) {
  return std::find(profile.promises.begin(), profile.promises.end(), promise) != profile.promises.end();
}

bool OpensForWriting(const policy::SandboxProfile& profile) {
  return std::any_of(profile.paths.begin(), profile.paths.end(),
                     [](const policy::PathGrant& grant) { return grant.access == policy::PathAccess::kReadWrite; });
}

// The one call of the never-list that a compiled-in promise may bring back, and only for this
// clock.
bool IsCompiledInException(const CallRule& rule) {
  return std::strcmp(rule.name, "clock_settime") == 0 && rule.tests == ClockSettime().front().tests;
}

bool IsNeverAllowed(const char* name, bool is_for_programs) {
  if (is_for_programs) return NeverForPrograms(name);
  const auto never = NeverList();
  return std::any_of(never.begin(), never.end(), [&](const char* other) { return std::strcmp(name, other) == 0; });
}

bool HasSameCall(const CallRule& a, const CallRule& b) {
  return a.number == b.number;
}

// Two conjunctions exclude each other when one argument must have two values under both masks.
bool CanBothHold(const CallRule& a, const CallRule& b) {
  for (const ArgumentTest& one : a.tests) {
    for (const ArgumentTest& other : b.tests) {
      const uint32_t both = one.mask & other.mask;
      if (one.index == other.index && (one.value & both) != (other.value & both)) return false;
    }
  }
  return true;
}

bool Holds(const CallRule& rule, std::span<const uint64_t, 6> arguments) {
  return std::all_of(rule.tests.begin(), rule.tests.end(), [&](const ArgumentTest& test) {
    return (static_cast<uint32_t>(arguments[test.index]) & test.mask) == test.value;
  });
}

void Append(std::vector<CallRule>& rules, std::vector<CallRule> more) {
  rules.insert(rules.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

// A refusal of a call that something else granted whole is left out.
void AppendRefusals(std::vector<CallRule>& rules, std::vector<CallRule> refusals) {
  for (CallRule& refusal : refusals) {
    const bool is_granted = std::any_of(rules.begin(), rules.end(), [&](const CallRule& rule) {
      return HasSameCall(rule, refusal) && rule.action.verdict == Verdict::kAllow && rule.tests.empty();
    });
    if (!is_granted) rules.push_back(std::move(refusal));
  }
}

// What opens files, by the widest promise that does.
std::vector<CallRule> OpeningCalls(const policy::SandboxProfile& profile, FilterStage stage) {
  if (stage == FilterStage::kLoad) return OpensForWriting(profile) ? OpenAnyway() : OpenReadOnly();
  if (Has(profile, Promise::kReadPath)) return OpenReadOnly();
  if (Has(profile, Promise::kFreeze)) return OpenDirectories();
  return OpenNothing();
}

bool LooksAtPaths(const policy::SandboxProfile& profile, FilterStage stage) {
  return stage == FilterStage::kLoad || Has(profile, Promise::kReadPath);
}

std::vector<CallRule> DirectoryCalls(const policy::SandboxProfile& profile, FilterStage stage) {
  if (Has(profile, Promise::kReadPath)) return ReadDirectories();
  return stage == FilterStage::kLoad ? RefuseFileSystemFacts() : std::vector<CallRule>();
}

std::vector<CallRule> MappingCalls(const policy::SandboxProfile& profile, FilterStage stage) {
  std::vector<CallRule> rules = MapPrivate();
  if (stage == FilterStage::kLoad || profile.role == Role::kCore) Append(rules, MapShared());
  if (stage == FilterStage::kLoad) Append(rules, MapCode());
  return rules;
}

void AppendPromises(const policy::SandboxProfile& profile, std::vector<CallRule>& rules) {
  if (Has(profile, Promise::kThreads) || profile.makes_threads) Append(rules, MakeThreads());
  if (Has(profile, Promise::kReadPath)) Append(rules, FollowLinks());
  if (profile.has_host_uts) Append(rules, NameOfTheMachine());
  Append(rules, Has(profile, Promise::kNetlinkRoute) ? NetlinkRoute() : NoSockets());
  if (Has(profile, Promise::kAccept) && profile.role != Role::kCore) Append(rules, AcceptConnections());
  if (Has(profile, Promise::kFreeze)) Append(rules, FreezeFileSystems());
  if (Has(profile, Promise::kSetClock)) Append(rules, ClockSettime());
}

void AppendRole(Role role, std::vector<CallRule>& rules) {
  if (role == Role::kCore) Append(rules, ServeConnections());
  if (role == Role::kLog) Append(rules, FlushFiles());
  Append(rules, role == Role::kCore ? ChangeFileStatus() : KeepFileStatus());
}

}  // namespace

FilterTable TableFor(const policy::SandboxProfile& profile, FilterStage stage) {
  FilterTable table{.otherwise = {Verdict::kKill, 0}, .rules = StandardCalls()};
  Append(table.rules, MappingCalls(profile, stage));
  Append(table.rules, OpeningCalls(profile, stage));
  Append(table.rules, LooksAtPaths(profile, stage) ? LookAtPaths() : LookAtDescriptors());
  Append(table.rules, DirectoryCalls(profile, stage));
  AppendRole(profile.role, table.rules);
  AppendPromises(profile, table.rules);
  AppendRefusals(table.rules, SoftRefusals());
  if (stage == FilterStage::kLoad) Append(table.rules, AddFilter());
  return table;
}

Action Judge(const FilterTable& table, int number, std::span<const uint64_t, 6> arguments) {
  for (const CallRule& rule : table.rules) {
    if (rule.number == number && Holds(rule, arguments)) return rule.action;
  }
  return table.otherwise;
}

Status CheckTable(const FilterTable& table) {
  if (table.rules.size() > kMaxRules) return Fail(Code::kTooLarge, "a filter of more than 512 rules");
  for (size_t i = 0; i < table.rules.size(); ++i) {
    const CallRule& rule = table.rules[i];
    const std::string name = rule.name;
    for (const ArgumentTest& test : rule.tests) {
      if (test.index >= 6) return Fail(Code::kInvalidArgument, name + ": a seventh argument");
      if ((test.value & ~test.mask) != 0) return Fail(Code::kInvalidArgument, name + ": a test that can never hold");
    }
    const bool is_allowed = rule.action.verdict == Verdict::kAllow;
    if (is_allowed && IsNeverAllowed(rule.name, table.is_for_programs) && !IsCompiledInException(rule)) {
      return Fail(Code::kDenied, name + " is never granted");
    }
    for (size_t j = 0; j < i; ++j) {
      const CallRule& other = table.rules[j];
      if (HasSameCall(rule, other) && rule.action != other.action && CanBothHold(rule, other)) {
        return Fail(Code::kInvalidArgument, name + ": two rules with different actions overlap");
      }
    }
  }
  return {};
}

}  // namespace reeve::sandbox
