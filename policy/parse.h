#pragma once

#include <array>
#include <expected>
#include <string>
#include <vector>

#include "policy/diagnostic.h"
#include "policy/policy.h"

// The policy language (REFERENCE.md): text in, model out. Pure: no file is opened, no user looked up.

namespace reeve::policy {

struct PolicyText {
  std::string file;  // named in origins and diagnostics
  std::string text;
};

// The texts of the base profiles, indexed by BaseProfile. Each is itself a policy, without `profile:`.
using ProfileTexts = std::array<PolicyText, 3>;

const std::vector<std::string>& ProfileNames();      // "minimal", "standard", "open", as BaseProfile counts
const std::vector<std::string>& ConfinementNames();  // as Confinement counts

// All texts together, however many there are. Each has kMaxYamlBytes of its own.
inline constexpr size_t kMaxPolicyBytes = 1 << 20;

// The policy that `layers`, from the lowest to the highest, and the profile that they name (else `standard`) come to; or
// everything that is wrong. What is right and yet surely not meant goes to `warnings`.
// Users are names still (RunAs::uid is 0) and programs are not looked up. Without layers: `standard` by itself.
std::expected<Policy, Diagnostics> ParseLayers(const std::vector<PolicyText>& layers, const ProfileTexts& profiles,
                                               Diagnostics& warnings);
// The same for one text.
std::expected<Policy, Diagnostics> Parse(const PolicyText& text, const ProfileTexts& profiles);
// A profile by itself.
std::expected<Policy, Diagnostics> ParseProfile(BaseProfile profile, const ProfileTexts& profiles);

}  // namespace reeve::policy
