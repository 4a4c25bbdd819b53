#include "agent/config/unprivileged.h"

#include "base/testing.h"

namespace reeve::config {
namespace {

using testing::Contains;
using testing::HasSubstr;

const policy::RunAs kSelf{.name = "uid 1000", .uid = 1000, .gid = 100, .groups = {}, .home = "/home/me"};

Config Unprivileged() {
  Config config;
  config.is_unprivileged = true;
  config.core.uid = 78000;
  config.log_process.uid = 78001;
  Plugin& plugin = config.plugins.emplace_back();
  plugin.name = "exec";
  plugin.sandbox.uid = 78002;
  return config;
}

TEST(UnprivilegedTest, EveryProcessIsTheUsersOwn) {
  Config config = Unprivileged();
  TakePrivileges(kSelf, config);
  for (const policy::SandboxProfile* profile : {&config.core, &config.log_process, &config.plugins[0].sandbox}) {
    EXPECT_EQ(profile->uid, 1000u);
    EXPECT_TRUE(profile->is_unprivileged);
  }
  EXPECT_TRUE(config.plugins[0].is_enabled);
}

TEST(UnprivilegedTest, RulesForRootAreForTheUser) {
  Config config = Unprivileged();
  config.policy.programs.emplace_back().as.name = "root";
  config.policy.directories.emplace_back().as.name = "root";
  TakePrivileges(kSelf, config);
  EXPECT_EQ(config.policy.programs[0].as.uid, 1000u);
  EXPECT_EQ(config.policy.programs[0].as.home, "/home/me");
  EXPECT_EQ(config.policy.directories[0].as.gid, 100u);
}

TEST(UnprivilegedTest, ARuleForAnotherUserStaysAndIsWarnedOf) {
  Config config = Unprivileged();
  policy::ProgramRule& rule = config.policy.programs.emplace_back();
  rule.origin = {"policy.yaml", 7};
  rule.as = {.name = "bob", .uid = 1001, .gid = 1001, .groups = {}, .home = "/home/bob"};
  TakePrivileges(kSelf, config);
  EXPECT_EQ(config.policy.programs[0].as.uid, 1001u);
  EXPECT_THAT(config.warnings, Contains(HasSubstr("policy.yaml:7: unprivileged: to act as user 'bob'")));
}

TEST(UnprivilegedTest, AConfinementThatTakesRootIsWarnedOf) {
  using enum policy::Confinement;
  for (const policy::Confinement confinement : {kUnconfined, kService, kAdmin, kHook, kReadonly, kSandboxed}) {
    Config config = Unprivileged();
    policy::ProgramRule& rule = config.policy.programs.emplace_back();
    rule.origin = {"policy.yaml", 9};
    rule.name = "mine";
    rule.confine = confinement;
    TakePrivileges(kSelf, config);
    const auto warning = HasSubstr("policy.yaml:9: unprivileged: to confine a program so takes root");
    const bool takes_root = confinement != kUnconfined && confinement != kService;
    if (takes_root) {
      EXPECT_THAT(config.warnings, Contains(warning));
    } else {
      EXPECT_THAT(config.warnings, Not(Contains(warning)));
    }
  }
}

TEST(UnprivilegedTest, APluginThatNeedsACapabilityServesWithoutIt) {
  Config config = Unprivileged();
  config.plugins[0].sandbox.capabilities = 1;
  TakePrivileges(kSelf, config);
  EXPECT_TRUE(config.plugins[0].is_enabled);
  EXPECT_EQ(config.plugins[0].sandbox.capabilities, 0u);
  EXPECT_THAT(config.warnings,
              Contains("unprivileged: plugin exec is without its capabilities, which take root to give; "
                       "what needs them will fail"));
}

TEST(UnprivilegedTest, WhatIsMissingIsSaid) {
  Config config = Unprivileged();
  TakePrivileges(kSelf, config);
  EXPECT_THAT(config.warnings, Contains(HasSubstr("missing are a uid for each process")));
}

}  // namespace
}  // namespace reeve::config
