#include "agent/config/plugin_grants.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reeve::config {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Wish = SandboxRequest::ProgramWish;

ManifestFile Asking(const std::string& name, std::vector<Wish> programs, std::vector<std::string> directories = {}) {
  ManifestFile file;
  file.manifest.name = name;
  file.manifest.sandbox.programs = std::move(programs);
  file.manifest.sandbox.directories = std::move(directories);
  file.library_path = "/lib/" + name + ".so";
  return file;
}

policy::ProgramRule Rule(const std::string& name, bool is_of_profile = false) {
  policy::ProgramRule rule;
  rule.name = name;
  rule.run = "/bin/" + name;
  rule.origin = {"p.yaml", 7};
  rule.is_of_profile = is_of_profile;
  return rule;
}

policy::FileDirectory Directory(const std::string& id) {
  policy::FileDirectory directory;
  directory.id = id;
  directory.origin = {"p.yaml", 9};
  return directory;
}

class PluginGrantsTest : public testing::Test {
 protected:
  policy::PluginRules& Rules(const std::string& plugin) {
    policy::PluginRules& rules = policy_.plugins.emplace_back();
    rules.name = plugin;
    return rules;
  }
  void Keep(const std::vector<ManifestFile>& manifests) { KeepRequested(manifests, policy_, problems_, warnings_); }
  std::vector<std::string> Names(size_t plugin = 0) const {
    std::vector<std::string> names;
    for (const policy::ProgramRule& rule : policy_.plugins[plugin].programs) names.push_back(rule.name);
    return names;
  }

  policy::Policy policy_;
  std::vector<std::string> problems_;
  std::vector<std::string> warnings_;
};

TEST_F(PluginGrantsTest, ItGetsWhatBothName) {
  Rules("system").programs = {Rule("poweroff"), Rule("reboot")};
  Keep({Asking("system", {{"poweroff", false}, {"reboot", true}})});
  EXPECT_THAT(Names(), ElementsAre("poweroff", "reboot"));
  EXPECT_FALSE(policy_.plugins[0].programs[0].is_standing);
  EXPECT_TRUE(policy_.plugins[0].programs[1].is_standing);
  EXPECT_THAT(problems_, IsEmpty());
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(PluginGrantsTest, WhatIsNotGrantedIsSaid) {
  Keep({Asking("system", {{"poweroff", false}}, {"cpus"})});
  EXPECT_THAT(warnings_, ElementsAre("plugin system asks for program poweroff, which policy does not grant",
                                     "plugin system asks for directory cpus, which policy does not grant"));
  EXPECT_THAT(problems_, IsEmpty());
}

TEST_F(PluginGrantsTest, WhatNobodyAsksForIsAMistakeOfTheAdministratorAndNoneOfAProfile) {
  policy::PluginRules& rules = Rules("system");
  rules.programs = {Rule("powerof"), Rule("halt", true)};
  rules.directories = {Directory("cpu")};
  Keep({Asking("system", {{"poweroff", false}}, {"cpus"})});
  EXPECT_THAT(problems_, ElementsAre("p.yaml:7: plugin system asks for no program 'powerof'; did you mean 'poweroff'?",
                                     "p.yaml:9: plugin system asks for no directory 'cpu'; did you mean 'cpus'?"));
  EXPECT_THAT(Names(), IsEmpty());
  EXPECT_THAT(policy_.plugins[0].directories, IsEmpty());
}

TEST_F(PluginGrantsTest, AStarAsksForWhateverIsListed) {
  policy::PluginRules& rules = Rules("fsfreeze");
  rules.programs = {Rule("a"), Rule("b")};
  rules.directories = {Directory("d")};
  Keep({Asking("fsfreeze", {{kWhateverIsListed, true}}, {kWhateverIsListed})});
  EXPECT_THAT(Names(), ElementsAre("a", "b"));
  EXPECT_TRUE(policy_.plugins[0].programs[1].is_standing);
  EXPECT_EQ(policy_.plugins[0].directories.size(), 1u);
  EXPECT_THAT(problems_, IsEmpty());
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(PluginGrantsTest, APluginThatIsNotThereGetsNothing) {
  Rules("gone").programs = {Rule("a"), Rule("b", true)};
  Keep({Asking("system", {})});
  EXPECT_THAT(Names(), IsEmpty());
  EXPECT_THAT(problems_, IsEmpty());  // said of the plugin itself
}

TEST_F(PluginGrantsTest, AnotherOsReleaseIsAPathAndASettingOfTheInventoryAlone) {
  std::vector<ManifestFile> manifests = {Asking("inventory", {}), Asking("system", {})};
  AddOsRelease("", manifests, policy_);
  EXPECT_THAT(policy_.plugins, IsEmpty());
  AddOsRelease("/some/release", manifests, policy_);
  ASSERT_EQ(policy_.plugins.size(), 1u);
  EXPECT_EQ(policy_.plugins[0].name, kInventoryPlugin);
  EXPECT_EQ(policy_.plugins[0].settings_json, R"({"os-release": "/some/release"})");
  EXPECT_THAT(policy_.plugins[0].paths, ElementsAre(testing::Pair("read", "/some/release")));
  ASSERT_EQ(manifests[0].manifest.sandbox.paths.size(), 1u);
  EXPECT_EQ(manifests[0].manifest.sandbox.paths[0].path, "/some/release");
  EXPECT_THAT(manifests[1].manifest.sandbox.paths, IsEmpty());
}

TEST_F(PluginGrantsTest, TheHookIsARuleAndASetting) {
  AddFsfreezeHook("/etc/hook", policy_);
  Keep({Asking("fsfreeze", {{kFsfreezeHook, true}})});
  ASSERT_THAT(Names(), ElementsAre(kFsfreezeHook));
  const policy::ProgramRule& rule = policy_.plugins[0].programs[0];
  EXPECT_EQ(rule.run, "/etc/hook");
  EXPECT_EQ(rule.confine, policy::Confinement::kHook);
  EXPECT_TRUE(rule.is_standing);
  EXPECT_EQ(policy_.plugins[0].settings_json, R"({"fsfreeze-hook": "/etc/hook"})");
  EXPECT_THAT(problems_, IsEmpty());
  EXPECT_TRUE(policy_.plugins[0].is_of_profile);
}

TEST_F(PluginGrantsTest, UnderOpenTheHookIsUnconfined) {
  policy_.profile = policy::BaseProfile::kOpen;
  AddFsfreezeHook("/etc/hook", policy_);
  EXPECT_EQ(policy_.plugins[0].programs[0].confine, policy::Confinement::kUnconfined);
  EXPECT_TRUE(policy_.plugins[0].programs[0].inherits_environment);
}

TEST_F(PluginGrantsTest, TheHookKeepsOtherSettingsAndAPolicysOwnRule) {
  policy::PluginRules& rules = Rules("fsfreeze");
  rules.settings_json = R"({"thaw-timeout": 5, "fsfreeze-hook": "/old"})";
  rules.programs = {Rule(kFsfreezeHook)};
  AddFsfreezeHook("/etc/hook", policy_);
  EXPECT_EQ(policy_.plugins.size(), 1u);
  EXPECT_EQ(policy_.plugins[0].programs.size(), 1u);
  EXPECT_EQ(policy_.plugins[0].settings_json, R"({"thaw-timeout": 5, "fsfreeze-hook": "/bin/fsfreeze-hook"})");
}

TEST_F(PluginGrantsTest, WithoutAHookNothingIsMissed) {
  AddFsfreezeHook("", policy_);
  EXPECT_THAT(policy_.plugins, IsEmpty());
  Keep({Asking("fsfreeze", {{kFsfreezeHook, true}})});
  EXPECT_THAT(warnings_, IsEmpty());
}

}  // namespace
}  // namespace reeve::config
