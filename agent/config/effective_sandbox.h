#pragma once

#include <string>
#include <vector>

#include "agent/config/manifest.h"
#include "policy/policy.h"
#include "policy/profile.h"

// What a plugin gets of what it asked for: the intersection of its manifest with the policy. Pure.

namespace reeve::config {

struct EffectiveSandbox {
  policy::SandboxProfile profile;        // without uid and filters
  std::vector<std::string> not_granted;  // what the manifest asked for and policy does not grant, in words
};

// `rules` is null when policy does not name the plugin: it gets the base. What is within the base needs no grant.
EffectiveSandbox Intersect(const Manifest& manifest, const policy::PluginRules* rules, uint32_t landlock_minimum);

// The sandboxes of Reeve's own processes, without filters.
policy::SandboxProfile CoreSandbox(uint32_t uid, uint32_t landlock_minimum);
policy::SandboxProfile LogSandbox(uint32_t uid, uint32_t landlock_minimum);

}  // namespace reeve::config
