#pragma once

#include <string>
#include <vector>

#include "agent/config/assemble.h"

// What the commands of plugins may have run and opened on their own account: `programs` and `directories` of a plugin's manifest
// and of the policy, of which both must name a rule. Pure.

namespace reeve::config {

// The program by which the plugin fsfreeze runs the hook of -F, and the setting that names it.
inline constexpr char kFsfreezePlugin[] = "fsfreeze";
inline constexpr char kFsfreezeHook[] = "fsfreeze-hook";

// A rule of the plugin fsfreeze for the hook on the command line, and its setting. A rule of that name in the policy stands
// instead, and then the setting is its program.
void AddFsfreezeHook(const std::string& path, policy::Policy& policy);

// The plugin inventory reads that file as os-release, and no other: a path in its sandbox, and the setting that names it.
// Without one nothing changes.
inline constexpr char kInventoryPlugin[] = "inventory";
inline constexpr char kOsRelease[] = "os-release";
void AddOsRelease(const std::string& path, std::vector<ManifestFile>& manifests, policy::Policy& policy);

// Leaves in `policy` what the manifests ask for, and marks what is standing. What a plugin asks for and policy does not list is
// a warning, what the administrator lists and no manifest asks for a problem: one line each.
void KeepRequested(const std::vector<ManifestFile>& manifests, policy::Policy& policy,
                   std::vector<std::string>& problems, std::vector<std::string>& warnings);

}  // namespace reeve::config
